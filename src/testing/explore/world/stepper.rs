//! The world as the stepper of its thread: what the platform hands to it, and where another may overtake.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::queue::{CallingOut, CurrentQueue};
use crate::stepping::{self, LocalTask, SendTask, SteppedQueue, Stepper};
use crate::testing::explore::record::place;
use crate::testing::explore::strategy::Offered;
use crate::testing::explore::world::World;
use crate::testing::explore::world::thing::{BlockedItem, Stays, Thing, WorldQueue};

impl Stepper for World {
    fn width(&self) -> usize {
        self.hub.settings.width
    }

    fn add_queue(&self, queue: Arc<dyn SteppedQueue>) {
        let (since, was_ready) = (Cell::new(0), Cell::new(false));
        let queue = Rc::new(WorldQueue { queue, number: self.number(), since, was_ready });
        self.queues.borrow_mut().push(queue);
    }

    fn add_task(&self, name: String, task: SendTask) {
        self.insert_task(name, task, Stays::OnAnyThread);
    }

    fn add_local(&self, name: String, make: Box<dyn FnOnce() -> LocalTask + Send>) {
        self.insert_task(name, make(), Stays::OnItsThread);
    }

    fn add_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let since = self.hub.wakes.tick();
        self.blocking.borrow_mut().push(BlockedItem { since, work });
    }

    fn has_begun(&self, queue: u32, name: &'static str) {
        self.hub.wakes.runs_callback(queue, name);
        self.hub.record().has_begun(queue, name);
    }

    fn pause(&self) {
        // What a shutdown drops or calls may not wait for it; what goes on in the middle would be taken for that.
        let may = self.hub.may_pause() && self.depth.get() < DEEPEST && !CallingOut::is_any();
        let Some(acts) = self.acts.get().filter(|_| may) else { return };
        while self.hub.record().steps() < self.hub.settings.steps {
            let look = self.hub.chooser().looks_at_pause();
            let overtakes = if look { self.overtaking(acts) } else { None };
            let Some(thing) = overtakes else {
                if !look {
                    self.hub.record().chose_at_pause(0, 1);
                }
                return;
            };
            stepping::note(|| "is overtaken here".to_owned());
            let outer = self.hub.record().begin_inner();
            self.depth.set(self.depth.get() + 1);
            self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
            CurrentQueue::as_another_thread(|| self.happen(thing));
            self.depth.set(self.depth.get() - 1);
            self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
            self.hub.record().end_inner(outer);
        }
    }

    fn put(&self, queue: u32, name: &'static str) {
        let place = place();
        self.hub.record().put(queue, name, place);
    }

    fn note(&self, text: String) {
        let place = place();
        self.hub.record().note(text, place);
    }
}

impl World {
    /// What goes on before the actor does.
    fn overtaking(&self, acts: u64) -> Option<Thing> {
        let mut offers = self.offers.take();
        let has_clock = self.list(&mut offers);
        let mut actors = self.actors.take();
        actors.clear();
        actors.push(acts);
        actors.extend(offers.iter().map(|offer| self.actor(offer.thing)));
        let offered = Offered { actors: &actors, has_clock, is_pause: true };
        let index = self.hub.chooser().choose(&offered);
        self.hub.record().chose_at_pause(index, actors.len());
        let thing = index.checked_sub(1).map(|at| offers[at].thing);
        self.actors.set(actors);
        self.offers.set(offers);
        thing
    }
}

/// So many callbacks can be in the middle, each because the next has overtaken it.
const DEEPEST: usize = 4;
