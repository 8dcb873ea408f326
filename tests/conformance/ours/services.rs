//! Ours: there is no session, and what its services do for the platform's queues the platform does.

use mf_async::Hresult;

use crate::ours::{Ours, not_in_rust};
use crate::subject::{Answer, Mmcss, Services};

/// Every queue of the platform.
const ALL: u32 = 0xFFFF_FFFF;

impl Services for Ours {
    fn register_by_service(&self, queue: u32, class: &str, task: u32) -> Answer<u32> {
        if queue == ALL {
            return self.register_platform(class, task, 0);
        }
        self.register_queue(queue, class, task, 0)
    }

    fn unregister_by_service(&self, queue: u32) -> Answer {
        if queue == ALL { self.unregister_platform() } else { self.unregister_queue(queue) }
    }

    fn class_by_service(&self, queue: u32) -> Answer<String> {
        self.class(queue)
    }

    fn task_by_service(&self, queue: u32) -> Answer<u32> {
        self.task_id(queue)
    }

    fn topology_class(&self, _: u32) -> Answer<String> {
        not_in_rust("a topology")
    }

    fn register_topology(&self) -> Hresult {
        not_in_rust("a topology")
    }
}
