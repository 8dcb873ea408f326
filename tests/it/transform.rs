//! Driven as the state machine says, an asynchronous transform never sees a call out of turn, and nothing that it
//! was given is lost, whatever the order of events, drains and flushes.

use std::collections::VecDeque;

use mf_async::Hresult;
use mf_async::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

/// A transform by the book: it counts what it asked for and refuses what it did not.
#[derive(Default)]
struct Model {
    started: bool,
    draining: bool,
    asked: u32,
    offered: u32,
    held: VecDeque<u64>,
    ready: VecDeque<Option<u64>>,
    events: VecDeque<TransformEvent>,
    change_next: bool,
    changing: bool,
    /// Calls that the rules forbid.
    out_of_turn: u32,
}

impl Model {
    fn start(&mut self) {
        assert!(!self.started, "started twice");
        self.started = true;
        self.ask(2);
    }

    fn ask(&mut self, count: u32) {
        for _ in 0..count {
            self.asked += 1;
            self.events.push_back(TransformEvent::NeedInput);
        }
    }

    fn offer(&mut self) {
        self.offered += 1;
        self.events.push_back(TransformEvent::HaveOutput);
    }

    fn process_input(&mut self, sample: u64) -> Hresult {
        if self.asked == 0 {
            self.out_of_turn += 1;
            return Hresult::MF_E_NOTACCEPTING;
        }
        self.asked -= 1;
        self.held.push_back(sample);
        Hresult::S_OK
    }

    /// Does some work of its own.
    fn work(&mut self) {
        if self.changing {
            return;
        }
        if let Some(sample) = self.held.pop_front() {
            self.ready.push_back(Some(sample));
            self.offer();
            if !self.draining {
                self.ask(1);
            }
        }
        self.finish_drain();
    }

    fn finish_drain(&mut self) {
        if self.draining && self.held.is_empty() && self.offered == 0 && !self.changing {
            self.draining = false;
            self.started = false;
            self.events.push_back(TransformEvent::DrainComplete);
        }
    }

    fn process_output(&mut self) -> (Hresult, Option<u64>) {
        if self.offered == 0 {
            self.out_of_turn += 1;
            return (Hresult::E_UNEXPECTED, None);
        }
        self.offered -= 1;
        if self.change_next {
            (self.change_next, self.changing) = (false, true);
            return (Hresult::MF_E_TRANSFORM_STREAM_CHANGE, None);
        }
        let sample = self.ready.pop_front().expect("as many as were offered");
        self.finish_drain();
        (Hresult::S_OK, sample)
    }

    fn negotiate(&mut self) {
        assert!(self.changing, "nothing to negotiate");
        self.changing = false;
        self.offer();
    }

    fn drain(&mut self) {
        assert!(self.started && !self.draining);
        self.draining = true;
        self.asked = 0;
        self.finish_drain();
    }

    /// The events that were sent stay where they are, as in a queue that someone else owns.
    fn flush(&mut self) {
        let events = std::mem::take(&mut self.events);
        *self = Model { events, out_of_turn: self.out_of_turn, changing: self.changing, ..Model::default() };
    }
}

/// Numbers that look random, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A driver and its model, and what went through.
#[derive(Default)]
struct Rig {
    driver: TransformDriver,
    model: Model,
    given: Vec<u64>,
    got: Vec<u64>,
    kept: Option<u64>,
    next: u64,
    drained: u32,
    drains: u32,
}

impl Rig {
    fn input(&mut self) {
        match self.driver.input() {
            TransformInput::Start => self.model.start(),
            TransformInput::Process => {
                let sample = self.kept.take().unwrap_or_else(|| {
                    self.next += 1;
                    self.next
                });
                let status = self.model.process_input(sample);
                if self.driver.input_done(status) {
                    self.given.push(sample);
                } else {
                    self.kept = Some(sample);
                }
            }
            TransformInput::Wait => {}
            TransformInput::Shutdown => panic!("nobody shut it down"),
        }
    }

    fn output(&mut self) -> bool {
        match self.driver.output() {
            TransformOutput::Process => {
                let (status, sample) = self.model.process_output();
                assert_eq!(self.driver.output_done(status).unwrap(), sample.is_some());
                self.got.extend(sample);
            }
            TransformOutput::Negotiate => {
                self.model.negotiate();
                self.driver.negotiated();
            }
            TransformOutput::Drained => {
                self.drained += 1;
                assert_eq!(self.got, self.given, "a drain leaves nothing inside");
            }
            TransformOutput::Marker(_) => {}
            TransformOutput::Wait => return false,
            TransformOutput::Shutdown => panic!("nobody shut it down"),
        }
        true
    }

    fn event(&mut self) -> bool {
        match self.model.events.pop_front() {
            Some(event) => {
                self.driver.event(event);
                true
            }
            None => false,
        }
    }

    fn drain(&mut self) {
        if self.driver.drain() {
            self.drains += 1;
            self.model.drain();
        }
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            self.model.work();
            let told = self.event();
            if !(self.output() | told) && self.model.held.is_empty() {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}

#[test]
fn whatever_the_order_nothing_is_called_out_of_turn_and_nothing_is_lost() {
    for seed in 1..500 {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut rig = Rig::default();
        for _ in 0..400 {
            match dice.roll(12) {
                0..=2 => rig.input(),
                3..=5 => drop(rig.event()),
                6..=8 => drop(rig.output()),
                9 => rig.model.work(),
                10 => rig.model.change_next |= dice.roll(4) == 0,
                _ => {
                    if dice.roll(5) == 0 {
                        rig.drain();
                    }
                }
            }
        }
        rig.settle();
        rig.drain();
        rig.settle();
        assert_eq!(rig.model.out_of_turn, 0, "seed {seed}");
        assert_eq!(rig.got, rig.given, "seed {seed}");
        assert_eq!(rig.drained, rig.drains, "seed {seed}");
    }
}

#[test]
fn events_from_before_a_flush_do_no_harm() {
    for seed in 1..500 {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut rig = Rig::default();
        for _ in 0..300 {
            match dice.roll(11) {
                0..=2 => rig.input(),
                3..=5 => drop(rig.event()),
                6..=8 => drop(rig.output()),
                9 => rig.model.work(),
                _ => {
                    if dice.roll(6) == 0 {
                        rig.model.flush();
                        rig.driver.flush();
                        (rig.given, rig.got) = (Vec::new(), Vec::new());
                    }
                }
            }
        }
        // From here on it goes by the book again: what is given now comes out.
        rig.settle();
        let before = rig.given.len();
        for _ in 0..20 {
            rig.input();
            rig.settle();
        }
        assert!(rig.given.len() > before, "seed {seed}: it takes no input any more");
        assert_eq!(rig.got, rig.given, "seed {seed}");
    }
}

#[test]
fn one_process_call_for_each_event() {
    let mut driver = TransformDriver::new();
    assert!(driver.is_accepting());
    assert_eq!(driver.input(), TransformInput::Start);
    assert!(!driver.is_accepting());
    for _ in 0..3 {
        driver.event(TransformEvent::NeedInput);
    }
    driver.event(TransformEvent::HaveOutput);
    for _ in 0..3 {
        assert_eq!(driver.input(), TransformInput::Process);
    }
    assert_eq!(driver.input(), TransformInput::Wait);
    assert_eq!(driver.output(), TransformOutput::Process);
    assert_eq!(driver.output(), TransformOutput::Wait);
}

#[test]
fn a_marker_and_a_drain_come_after_the_outputs_before_them() {
    let mut driver = TransformDriver::new();
    assert_eq!(driver.input(), TransformInput::Start);
    driver.event(TransformEvent::HaveOutput);
    driver.event(TransformEvent::Marker(7));
    driver.event(TransformEvent::NeedInput);
    assert!(driver.drain());
    assert!(driver.is_draining() && !driver.drain());
    assert_eq!(driver.input(), TransformInput::Wait, "what it asked for is void");
    driver.event(TransformEvent::HaveOutput);
    driver.event(TransformEvent::DrainComplete);
    assert_eq!(driver.output(), TransformOutput::Process);
    assert_eq!(driver.output(), TransformOutput::Marker(7));
    assert_eq!(driver.output(), TransformOutput::Process);
    assert_eq!(driver.input(), TransformInput::Wait, "the next stream starts when this one is out");
    assert_eq!(driver.output(), TransformOutput::Drained);
    assert_eq!(driver.input(), TransformInput::Start);
}

#[test]
fn a_marker_needs_its_message_only_while_a_stream_is_under_way() {
    let mut driver = TransformDriver::new();
    // Nothing was put in: it is reached at once, and the transform need not know.
    assert!(!driver.marker(1));
    assert_eq!((driver.reached(), driver.reached()), (Some(1), None));

    assert_eq!(driver.input(), TransformInput::Start);
    driver.event(TransformEvent::NeedInput);
    assert_eq!(driver.input(), TransformInput::Process);
    assert!(driver.input_done(Hresult::S_OK));
    assert!(driver.marker(2));
    assert_eq!(driver.output(), TransformOutput::Wait, "the transform has not answered");
    assert!(driver.drain());
    assert!(!driver.marker(3));
    driver.event(TransformEvent::Marker(2));
    driver.event(TransformEvent::HaveOutput);
    driver.event(TransformEvent::DrainComplete);
    assert!(!driver.marker(4), "what is known comes first");
    assert_eq!(driver.output(), TransformOutput::Marker(2));
    assert_eq!(driver.reached(), None, "there is output before the next");
    assert_eq!(driver.output(), TransformOutput::Process);
    assert!(driver.output_done(Hresult::S_OK).unwrap());
    let rest: Vec<_> = (0..4).map(|_| driver.output()).collect();
    let marker = TransformOutput::Marker;
    assert_eq!(rest, [marker(3), TransformOutput::Drained, marker(4), TransformOutput::Wait]);

    // A flush forgets what waits, also during a drain.
    assert_eq!(driver.input(), TransformInput::Start);
    assert!(driver.drain());
    assert!(!driver.marker(5));
    driver.flush();
    assert!(!driver.marker(6));
    driver.flush();
    driver.event(TransformEvent::DrainComplete);
    assert_eq!(driver.output(), TransformOutput::Wait);
    driver.shut_down();
    assert!(!driver.marker(7));
    assert_eq!(driver.output(), TransformOutput::Shutdown);
}

#[test]
fn a_change_of_format_holds_the_output_until_another_is_chosen() {
    let mut driver = TransformDriver::new();
    assert_eq!(driver.input(), TransformInput::Start);
    driver.event(TransformEvent::HaveOutput);
    driver.event(TransformEvent::HaveOutput);
    assert_eq!(driver.output(), TransformOutput::Process);
    assert!(!driver.output_done(Hresult::MF_E_TRANSFORM_STREAM_CHANGE).unwrap());
    assert_eq!(driver.output(), TransformOutput::Negotiate);
    assert_eq!(driver.output(), TransformOutput::Negotiate, "until it is done");
    driver.negotiated();
    assert_eq!(driver.output(), TransformOutput::Process);
}

#[test]
fn a_shutdown_is_the_end_of_both_sides() {
    let mut driver = TransformDriver::new();
    assert_eq!(driver.input(), TransformInput::Start);
    driver.event(TransformEvent::NeedInput);
    driver.event(TransformEvent::HaveOutput);
    driver.shut_down();
    driver.event(TransformEvent::HaveOutput);
    driver.flush();
    assert!(!driver.is_accepting() && !driver.drain());
    assert_eq!(driver.input(), TransformInput::Shutdown);
    assert_eq!(driver.output(), TransformOutput::Shutdown);
}

#[test]
fn no_input_is_given_while_there_is_no_output_type() {
    let mut driver = TransformDriver::new();
    assert_eq!(driver.input(), TransformInput::Start);
    (0..2).for_each(|_| driver.event(TransformEvent::NeedInput));
    driver.event(TransformEvent::HaveOutput);
    assert_eq!(driver.input(), TransformInput::Process);
    assert_eq!(driver.output(), TransformOutput::Process);
    assert!(!driver.output_done(Hresult::MF_E_TRANSFORM_STREAM_CHANGE).unwrap());
    // The call that was under way met the change: neither its sample nor its credit is lost.
    assert!(!driver.input_done(Hresult::MF_E_TRANSFORM_TYPE_NOT_SET));
    assert!(!driver.is_accepting());
    assert_eq!(driver.input(), TransformInput::Wait);
    driver.negotiated();
    for _ in 0..2 {
        assert!(driver.is_accepting() && !driver.is_retrying());
        assert_eq!(driver.input(), TransformInput::Process);
        assert!(driver.input_done(Hresult::S_OK));
    }
    assert_eq!(driver.input(), TransformInput::Wait);
}

/// A transform that counts what it asked for one step after it has sent its event.
#[test]
fn a_transform_that_is_late_with_its_credit_gets_its_input() {
    for seed in 1..=300 {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut driver = TransformDriver::new();
        assert_eq!(driver.input(), TransformInput::Start);
        let (mut announced, mut credit, mut taken, mut pauses) = (1, 0, 0, 0);
        driver.event(TransformEvent::NeedInput);
        for _ in 0..20_000 {
            if dice.roll(4) == 0 {
                credit += std::mem::take(&mut announced);
            }
            if driver.input() != TransformInput::Process {
                continue;
            }
            pauses += u32::from(credit == 0);
            let status = if credit > 0 { Hresult::S_OK } else { Hresult::MF_E_NOTACCEPTING };
            assert_eq!(driver.input_done(status), credit > 0);
            assert_eq!(driver.is_retrying(), credit == 0);
            if credit > 0 {
                (credit, taken) = (credit - 1, taken + 1);
                announced += 1;
                driver.event(TransformEvent::NeedInput);
            }
        }
        assert!(taken > 1_000 && pauses > 0, "seed {seed}: {taken} taken");
    }
}

#[test]
fn an_input_that_is_never_taken_is_not_offered_for_ever() {
    let mut driver = TransformDriver::new();
    assert_eq!(driver.input(), TransformInput::Start);
    driver.event(TransformEvent::NeedInput);
    let mut calls = 0;
    while driver.input() == TransformInput::Process {
        assert!(!driver.input_done(Hresult::MF_E_NOTACCEPTING), "the sample is kept");
        calls += 1;
        assert!(calls < 1_000);
    }
    assert!(calls > 1 && !driver.is_retrying());
    driver.event(TransformEvent::NeedInput);
    assert_eq!(driver.input(), TransformInput::Process);
    assert!(driver.input_done(Hresult::S_OK));
}

#[test]
fn an_unexpected_call_is_an_error_unless_a_flush_explains_it() {
    let mut driver = TransformDriver::new();
    let give_and_offer = |driver: &mut TransformDriver| {
        assert_eq!(driver.input(), TransformInput::Start);
        for _ in 0..3 {
            driver.event(TransformEvent::NeedInput);
            assert_eq!(driver.input(), TransformInput::Process);
            assert!(driver.input_done(Hresult::S_OK));
        }
        driver.event(TransformEvent::HaveOutput);
        assert_eq!(driver.output(), TransformOutput::Process);
    };
    give_and_offer(&mut driver);
    let failure = driver.output_done(Hresult::E_UNEXPECTED).unwrap_err();
    assert_eq!(failure.hresult(), Hresult::E_UNEXPECTED);

    // One of three outputs was taken: two may be announced by events that the flush makes void.
    let mut driver = TransformDriver::new();
    give_and_offer(&mut driver);
    assert!(driver.output_done(Hresult::S_OK).unwrap());
    driver.flush();
    assert_eq!(driver.input(), TransformInput::Start);
    for benign in [true, true, false] {
        driver.event(TransformEvent::HaveOutput);
        assert_eq!(driver.output(), TransformOutput::Process);
        let done = driver.output_done(Hresult::E_UNEXPECTED);
        assert_eq!(done.is_ok_and(|sample| !sample), benign);
    }
}
