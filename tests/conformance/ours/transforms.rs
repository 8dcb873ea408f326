//! Ours: a transform driven as `TransformDriver` says.

use mf_async::Hresult;
use mf_async::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

use crate::facts::name;
use crate::ours::{Ours, not_in_rust};
use crate::subject::{Step, Transforms};

#[derive(Default)]
struct Drive {
    driver: TransformDriver,
    log: Vec<String>,
    /// How many samples are to go in, one of which may be next.
    put: usize,
    /// How many are to come out.
    wanted: usize,
    /// How many came out in a drain.
    ready: usize,
    drain_wanted: bool,
    draining: bool,
    input_says: Option<Hresult>,
    output_says: Option<Hresult>,
}

impl Drive {
    fn tell(&mut self, what: &str, status: Hresult) {
        let entry = if status.is_success() { what.to_owned() } else { format!("{what}:{}", name(status)) };
        self.log.push(entry);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::NeedInput => self.driver.event(TransformEvent::NeedInput),
            Step::HaveOutput => self.driver.event(TransformEvent::HaveOutput),
            Step::DrainComplete => self.driver.event(TransformEvent::DrainComplete),
            Step::Put => self.put += 1,
            Step::Take => self.wanted += 1,
            Step::Drain => self.drain_wanted = true,
            Step::Flush => {
                self.driver.flush();
                (self.draining, self.drain_wanted, self.ready) = (false, false, 0);
                self.tell("flush", Hresult::S_OK);
            }
            Step::Shutdown => self.driver.shut_down(),
            Step::InputSays(status) => self.input_says = Some(status),
            Step::OutputSays(status) => self.output_says = Some(status),
        }
        while self.give() || self.drain() || self.hand_out() {}
    }

    /// Does the next thing there is to do about input; false if there is none.
    fn give(&mut self) -> bool {
        if self.put == 0 {
            return false;
        }
        match self.driver.input() {
            TransformInput::Start => self.tell("start", Hresult::S_OK),
            TransformInput::Process => {
                let status = self.input_says.take().unwrap_or(Hresult::S_OK);
                self.tell("input", status);
                if self.driver.input_done(status) {
                    self.put -= 1;
                    if status.is_failure() {
                        self.tell("put", status);
                    }
                }
            }
            TransformInput::Shutdown => {
                self.put -= 1;
                self.tell("put", Hresult::MF_E_SHUTDOWN);
            }
            _ => return false,
        }
        true
    }

    fn drain(&mut self) -> bool {
        if self.draining {
            return self.take();
        }
        if !std::mem::take(&mut self.drain_wanted) {
            return false;
        }
        if self.put > 0 {
            self.drain_wanted = true;
            return self.take();
        }
        self.draining = self.driver.drain();
        if self.draining {
            self.tell("end", Hresult::S_OK);
            self.tell("drain", Hresult::S_OK);
        } else {
            self.tell("drained", Hresult::S_OK);
        }
        true
    }

    fn hand_out(&mut self) -> bool {
        if self.wanted == 0 {
            return false;
        }
        if self.ready > 0 {
            (self.ready, self.wanted) = (self.ready - 1, self.wanted - 1);
            self.tell("taken", Hresult::S_OK);
            return true;
        }
        self.take()
    }

    /// Does the next thing there is to do about output; false if there is none.
    fn take(&mut self) -> bool {
        match self.driver.output() {
            TransformOutput::Process => {
                let status = self.output_says.take().unwrap_or(Hresult::S_OK);
                self.tell("output", status);
                self.ready += usize::from(self.driver.output_done(status).unwrap_or(false));
            }
            TransformOutput::Negotiate => {
                self.tell("type", Hresult::S_OK);
                self.driver.negotiated();
            }
            TransformOutput::Drained => {
                self.draining = false;
                self.tell("drained", Hresult::S_OK);
            }
            TransformOutput::Shutdown if self.wanted > 0 => {
                self.wanted = 0;
                self.tell("taken", Hresult::MF_E_SHUTDOWN);
            }
            _ => return false,
        }
        true
    }
}

impl Transforms for Ours {
    fn drive(&self, steps: &[Step]) -> String {
        let mut drive = Drive::default();
        steps.iter().for_each(|step| drive.step(*step));
        drive.log.join(" ")
    }

    fn unlock(&self, _: bool) -> (Hresult, bool) {
        not_in_rust("a transform that is locked")
    }
}
