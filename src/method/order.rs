//! The order of a serialized method's calls: whose turn it is, and which call waits for whose.

use std::future::Future;
use std::sync::Arc;
use std::task::Context;

use futures::future::maybe_done;
use futures::task::noop_waker_ref;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;

use crate::register::Begun;
use crate::sync::{LockExt, Mutex};

/// One turn, given out in the order of the calls.
pub(super) struct CallOrder {
    turn: Arc<Semaphore>,
    /// The line that began the call whose turn it is.
    holder: Mutex<Option<Begun>>,
}

/// The place of a call in the order of its method; calls of other methods have none.
#[derive(Clone)]
pub(crate) struct CallPlace(Option<Arc<PlaceState>>);

struct PlaceState {
    order: Arc<CallOrder>,
    begun: Begun,
    has_come: Mutex<bool>,
}

/// The right to run. Its drop gives the turn to the next call.
pub(crate) struct CallTurn {
    order: Arc<CallOrder>,
    permit: Option<OwnedSemaphorePermit>,
}

impl CallOrder {
    pub(super) fn new() -> Arc<CallOrder> {
        Arc::new(CallOrder { turn: Arc::new(Semaphore::new(1)), holder: Mutex::default() })
    }

    /// Takes a place, now; the future waits until it is that call's turn.
    pub(super) fn line_up(
        order: Option<&Arc<CallOrder>>,
        begun: Begun,
    ) -> (CallPlace, impl Future<Output = Option<CallTurn>> + Send + use<>) {
        let place = order.map(|order| {
            let (order, has_come) = (order.clone(), Mutex::new(false));
            Arc::new(PlaceState { order, begun, has_come })
        });
        // Unconstrained, because a task that has used up its budget would be sent away without a place.
        let mut acquired = place
            .as_ref()
            .map(|place| Box::pin(maybe_done(unconstrained(place.order.turn.clone().acquire_owned()))));
        if let Some(acquired) = &mut acquired {
            let _ = acquired.as_mut().poll(&mut Context::from_waker(noop_waker_ref()));
        }
        let of = CallPlace(place.clone());
        let turn = async move {
            let (place, mut acquired) = (place?, acquired?);
            acquired.as_mut().await;
            let permit = acquired.as_mut().take_output()?.ok()?;
            *place.has_come.locked() = true;
            *place.order.holder.locked() = Some(place.begun);
            Some(CallTurn { order: place.order.clone(), permit: Some(permit) })
        };
        (of, turn)
    }
}

impl CallPlace {
    /// What a report says of a call that waits for its turn.
    pub(super) fn describe(&self) -> Option<String> {
        let place = self.0.as_ref().filter(|place| !*place.has_come.locked())?;
        let holder = *place.order.holder.locked();
        Some(match holder {
            Some(holder) => {
                format!("a call of a method that waits for its turn, behind the call begun at {holder}")
            }
            None => "a call of a method whose turn comes next".to_owned(),
        })
    }
}

impl Drop for CallTurn {
    fn drop(&mut self) {
        // The turn is free before the next call may take it.
        *self.order.holder.locked() = None;
        drop(self.permit.take());
    }
}
