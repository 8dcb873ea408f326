//! The queues that are shared by class of the Multimedia Class Scheduler Service (MMCSS).
//!
//! Every queue keeps its registration with MMCSS, which can be read back. The system raises only the threads of queues that have
//! threads of their own: these shared ones, with the feature `realtime`.

use std::sync::Arc;

use crate::error::{Error, Hresult, Result};
use crate::mmcss::{Mmcss, check_priority, known};
use crate::queue::{Queues, WorkQueue};

impl Queues {
    /// The queue that all callers with this class share, and its task id.
    #[track_caller]
    pub(crate) fn lock_shared(
        self: &Arc<Self>,
        class: &str,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        let name = if class.is_empty() { "" } else { known(class)? };
        check_priority(base_priority)?;
        if name.is_empty() && (task_id.is_some() || base_priority != 0) {
            let what = "lock the shared queue without a class, which has no task id and no priority";
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        let asked = task_id.unwrap_or(0);
        let former = self.groups().shared(name);
        if let Some((id, task)) = former {
            if let Ok(queue) = self.handle(id) {
                if asked != 0 && asked != task {
                    let what = format!(
                        "lock the shared queue of class {name} with task {asked}: its task is {task}"
                    );
                    return Err(Error::new(Hresult::ERROR_INVALID_TASK_INDEX, what));
                }
                return Ok((queue, task));
            }
        }
        let mmcss =
            if name.is_empty() { Mmcss::none() } else { self.groups().join(name, asked, base_priority)? };
        let task = mmcss.task_id;
        let queue = self.allocate_shared(&mmcss)?;
        queue.queue().set_mmcss(mmcss);
        // If another caller was faster, that queue is the shared one, and this one is dropped.
        if self.groups().share(name, former, (queue.id(), task)) {
            return Ok((queue, task));
        }
        drop(queue);
        self.lock_shared(class, base_priority, task_id)
    }
}
