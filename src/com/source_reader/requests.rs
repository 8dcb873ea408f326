//! Which read gets which sample: plain state, no lock, no waker called.
//!
//! Every call of `ReadSample` is answered once, with the number of the stream that the sample is from; the
//! answer does not say which call it is for. Reads of one stream are answered in order. A read of *any* stream
//! may be answered by each, so an answer goes to the oldest read of its very stream first and to one of any
//! stream after that: the former can be answered by nothing else.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;

use crate::com::StreamIndex;

/// The reads that wait, the answers that no read waits for, and how many answers are to come.
pub(crate) struct Requests<T> {
    waiting: VecDeque<WaitingRead<T>>,
    /// Answers whose read was dropped, in the order in which they came.
    unclaimed: VecDeque<Answer<T>>,
    /// Calls that are not answered yet, by the stream they were for.
    outstanding: HashMap<StreamIndex, usize>,
    next_ticket: u64,
    next_number: u64,
}

/// A read.
struct WaitingRead<T> {
    ticket: Ticket,
    stream: StreamIndex,
    answer: Option<Answer<T>>,
    waker: Option<Waker>,
}

/// An answer, numbered as it came.
struct Answer<T> {
    number: u64,
    stream: StreamIndex,
    value: T,
}

/// Names one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Whether a new read takes a call.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadCall {
    /// ReadCall `ReadSample` for the stream, then say whether it [`failed`](Requests::failed).
    Needed,
    /// An answer is there, or one is to come that no read waits for.
    Spare,
}

/// How a read stands.
pub(crate) enum ReadStatus<T> {
    Answer(T),
    NotYet,
    /// The read is not waiting any more.
    Gone,
}

/// What may be answered by a stream of another number.
const VAGUE: [StreamIndex; 3] = [StreamIndex::ANY, StreamIndex::FIRST_AUDIO, StreamIndex::FIRST_VIDEO];

impl<T> Requests<T> {
    pub(crate) fn new() -> Requests<T> {
        Requests {
            waiting: VecDeque::new(),
            unclaimed: VecDeque::new(),
            outstanding: HashMap::new(),
            next_ticket: 0,
            next_number: 0,
        }
    }

    /// A new read of `stream`, behind all others.
    pub(crate) fn read(&mut self, stream: StreamIndex) -> (Ticket, ReadCall) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let claimed = self.unclaimed.iter().position(|answer| serves(answer.stream, stream));
        let answer = claimed.and_then(|index| self.unclaimed.remove(index));
        let unanswered = self.waiting.iter().filter(|w| w.stream == stream && w.answer.is_none()).count();
        let outstanding = self.outstanding.entry(stream).or_default();
        let call = if answer.is_some() || *outstanding > unanswered {
            ReadCall::Spare
        } else {
            *outstanding += 1;
            ReadCall::Needed
        };
        self.waiting.push_back(WaitingRead { ticket, stream, answer, waker: None });
        (ticket, call)
    }

    /// The call for this read was refused and will bring nothing; the read ends. Gives who is to be woken.
    pub(crate) fn failed(&mut self, ticket: Ticket) -> Option<Waker> {
        // Cleared meanwhile: then its call is not counted any more.
        let waiting = self.waiting.remove(self.index(ticket)?)?;
        if let Some(outstanding) = self.outstanding.get_mut(&waiting.stream) {
            *outstanding = outstanding.saturating_sub(1);
        }
        // What another call brought it is not lost.
        self.put_back(waiting.answer)
    }

    /// An answer came; gives who is to be woken.
    ///
    /// A failure may name another stream than the one that was asked for, or none that exists. So that no read
    /// waits for ever, a failure that is for no other read is for the oldest.
    ///
    /// # Errors
    /// Gives it back if no call was out for it: a flush has cancelled that.
    pub(crate) fn answer(
        &mut self,
        stream: StreamIndex,
        value: T,
        failure: bool,
    ) -> Result<Option<Waker>, T> {
        let mut stream = stream;
        if !self.answered_by(stream) {
            let oldest = self.waiting.iter().find(|w| w.answer.is_none()).map(|w| w.stream);
            match oldest.filter(|_| failure) {
                Some(oldest) if self.answered_by(oldest) => stream = oldest,
                _ => return Err(value),
            }
        }
        let answer = Answer { number: self.next_number, stream, value };
        self.next_number += 1;
        Ok(self.give(answer))
    }

    /// The read's answer, if it is there; else its waker is kept. Gives the waker that is not needed any more.
    pub(crate) fn take(&mut self, ticket: Ticket, waker: Waker) -> (ReadStatus<T>, Option<Waker>) {
        let Some(index) = self.index(ticket) else { return (ReadStatus::Gone, Some(waker)) };
        if self.waiting[index].answer.is_some() {
            if let Some(WaitingRead { answer: Some(answer), waker: former, .. }) = self.waiting.remove(index)
            {
                // A read that was answered keeps no waker.
                debug_assert!(former.is_none());
                return (ReadStatus::Answer(answer.value), Some(waker));
            }
        }
        let former = self.waiting.get_mut(index).and_then(|w| w.waker.replace(waker));
        (ReadStatus::NotYet, former)
    }

    /// The read is not wanted any more; its answer goes to those behind it. Gives who is to be woken, and the
    /// read's own waker, to be dropped.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> (Option<Waker>, Option<Waker>) {
        let Some(waiting) = self.index(ticket).and_then(|index| self.waiting.remove(index)) else {
            return (None, None);
        };
        (self.put_back(waiting.answer), waiting.waker)
    }

    /// Takes out everything of a stream, or of all: nothing of it will be answered.
    ///
    /// Gives the wakers of the reads that had no answer, and the answers that are void.
    pub(crate) fn clear(&mut self, stream: StreamIndex) -> Cleared<T> {
        let concerns = |of: StreamIndex| stream == StreamIndex::ANY || of == stream;
        self.outstanding.retain(|&of, _| !concerns(of));
        let mut cleared = Cleared { wakers: Vec::new(), void: Vec::new() };
        for answer in std::mem::take(&mut self.unclaimed) {
            if concerns(answer.stream) {
                cleared.void.push(answer.value);
            } else {
                self.unclaimed.push_back(answer);
            }
        }
        for mut waiting in std::mem::take(&mut self.waiting) {
            let void = match &waiting.answer {
                Some(answer) => concerns(answer.stream),
                None => concerns(waiting.stream),
            };
            if void {
                cleared.wakers.extend(waiting.waker.take());
                cleared.void.extend(waiting.answer.take().map(|answer| answer.value));
            } else {
                self.waiting.push_back(waiting);
            }
        }
        cleared
    }

    /// Forgets the answers that no read waits for.
    pub(crate) fn forget_unclaimed(&mut self) -> Vec<T> {
        std::mem::take(&mut self.unclaimed).into_iter().map(|answer| answer.value).collect()
    }

    /// No call will be answered any more: reads without an answer end.
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        self.outstanding.clear();
        let (answered, unanswered) =
            std::mem::take(&mut self.waiting).into_iter().partition(|w| w.answer.is_some());
        self.waiting = answered;
        unanswered.into_iter().filter_map(|waiting: WaitingRead<T>| waiting.waker).collect()
    }

    fn index(&self, ticket: Ticket) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.ticket == ticket)
    }

    /// One call fewer to be answered; false if there was none that this could be for.
    fn answered_by(&mut self, stream: StreamIndex) -> bool {
        for of in [stream].into_iter().chain(VAGUE) {
            if let Some(outstanding) = self.outstanding.get_mut(&of).filter(|count| **count > 0) {
                *outstanding -= 1;
                return true;
            }
        }
        false
    }

    /// Gives an answer to the first who waits for it.
    fn give(&mut self, answer: Answer<T>) -> Option<Waker> {
        let open = |of: StreamIndex| move |w: &WaitingRead<T>| w.stream == of && w.answer.is_none();
        let wanted = [answer.stream].into_iter().chain(VAGUE);
        match wanted.filter_map(|of| self.waiting.iter().position(open(of))).next() {
            Some(index) => {
                let waiting = &mut self.waiting[index];
                waiting.answer = Some(answer);
                waiting.waker.take()
            }
            None => {
                let behind = self.unclaimed.partition_point(|other| other.number < answer.number);
                self.unclaimed.insert(behind, answer);
                None
            }
        }
    }

    /// An answer whose read left: those behind it move up, so that the order stays.
    fn put_back(&mut self, answer: Option<Answer<T>>) -> Option<Waker> {
        let mut answer = answer?;
        for waiting in &mut self.waiting {
            if let Some(later) = &mut waiting.answer {
                if later.stream == answer.stream && later.number > answer.number {
                    std::mem::swap(later, &mut answer);
                }
            }
        }
        self.give(answer)
    }
}

/// What was taken out; to be dropped, and woken, without a lock.
pub(crate) struct Cleared<T> {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) void: Vec<T>,
}

/// Whether an answer from this stream will do for a read of that.
fn serves(from: StreamIndex, wanted: StreamIndex) -> bool {
    from == wanted || VAGUE.contains(&wanted)
}

#[cfg(test)]
mod tests {
    //! Answers go to reads in order, and none gets lost.

    use super::*;

    fn taken(requests: &mut Requests<u32>, ticket: Ticket) -> Option<u32> {
        match requests.take(ticket, Waker::noop().clone()).0 {
            ReadStatus::Answer(value) => Some(value),
            ReadStatus::NotYet | ReadStatus::Gone => None,
        }
    }

    #[test]
    fn reads_of_a_stream_are_answered_in_order() {
        let mut requests = Requests::new();
        let reads: Vec<_> = (0..3).map(|_| requests.read(StreamIndex(0))).collect();
        assert!(reads.iter().all(|(_, call)| *call == ReadCall::Needed));
        for value in 0..3 {
            assert!(requests.answer(StreamIndex(0), value, false).is_ok());
        }
        // ReadStatus from behind, each still has its own.
        for (value, (ticket, _)) in reads.iter().enumerate().rev() {
            assert_eq!(taken(&mut requests, *ticket), Some(value as u32));
        }
    }

    #[test]
    fn the_answer_to_a_dropped_read_is_the_next_ones() {
        let mut requests = Requests::new();
        let (first, _) = requests.read(StreamIndex(0));
        let _ = requests.leave(first);
        let (second, call) = requests.read(StreamIndex(0));
        assert_eq!(call, ReadCall::Spare, "a call is out already");
        assert!(requests.answer(StreamIndex(0), 7, false).is_ok());
        assert_eq!(taken(&mut requests, second), Some(7));

        let (third, _) = requests.read(StreamIndex(0));
        assert!(requests.answer(StreamIndex(0), 8, false).is_ok());
        let _ = requests.leave(third);
        let (fourth, call) = requests.read(StreamIndex(0));
        assert_eq!(call, ReadCall::Spare);
        assert_eq!(taken(&mut requests, fourth), Some(8));
    }

    #[test]
    fn those_behind_a_dropped_read_move_up() {
        let mut requests = Requests::new();
        let [first, second, third] = [0; 3].map(|stream| requests.read(StreamIndex(stream)).0);
        assert!(requests.answer(StreamIndex(0), 1, false).is_ok());
        assert!(requests.answer(StreamIndex(0), 2, false).is_ok());
        let _ = requests.leave(first);
        assert_eq!(taken(&mut requests, second), Some(1));
        assert_eq!(taken(&mut requests, third), Some(2));
        // The third call is still out, for the next.
        assert_eq!(requests.read(StreamIndex(0)).1, ReadCall::Spare);
    }

    #[test]
    fn an_answer_goes_to_its_very_stream_first() {
        let mut requests = Requests::new();
        let any = requests.read(StreamIndex::ANY).0;
        let zero = requests.read(StreamIndex(0)).0;
        assert!(requests.answer(StreamIndex(0), 1, false).is_ok());
        assert_eq!(taken(&mut requests, zero), Some(1));
        assert!(requests.answer(StreamIndex(0), 2, false).is_ok());
        assert_eq!(taken(&mut requests, any), Some(2));
    }

    #[test]
    fn an_unclaimed_answer_serves_a_read_of_any_stream() {
        let mut requests = Requests::new();
        let (zero, _) = requests.read(StreamIndex(0));
        let _ = requests.leave(zero);
        assert!(requests.answer(StreamIndex(0), 1, false).is_ok());
        let (any, call) = requests.read(StreamIndex::ANY);
        assert_eq!((call, taken(&mut requests, any)), (ReadCall::Spare, Some(1)));
    }

    #[test]
    fn after_a_flush_nothing_is_expected_and_what_comes_is_void() {
        let mut requests = Requests::new();
        let (zero, _) = requests.read(StreamIndex(0));
        let (one, _) = requests.read(StreamIndex(1));
        assert!(requests.clear(StreamIndex(0)).void.is_empty());
        assert!(matches!(requests.take(zero, Waker::noop().clone()).0, ReadStatus::Gone));
        assert_eq!(requests.answer(StreamIndex(0), 9, false).unwrap_err(), 9);
        assert!(requests.answer(StreamIndex(1), 3, false).is_ok());
        assert_eq!(taken(&mut requests, one), Some(3));
        assert_eq!(requests.read(StreamIndex(0)).1, ReadCall::Needed);
    }

    #[test]
    fn a_failure_that_names_no_stream_ends_the_oldest_read() {
        let mut requests = Requests::new();
        let (one, _) = requests.read(StreamIndex(1));
        assert_eq!(requests.answer(StreamIndex(0), 5, false).unwrap_err(), 5);
        assert!(requests.answer(StreamIndex(0), 6, true).is_ok());
        assert_eq!(taken(&mut requests, one), Some(6));
    }

    #[test]
    fn a_refused_call_is_not_waited_for() {
        let mut requests = Requests::<u32>::new();
        let (ticket, _) = requests.read(StreamIndex(0));
        assert!(requests.failed(ticket).is_none());
        assert_eq!(requests.read(StreamIndex(0)).1, ReadCall::Needed);
    }
}
