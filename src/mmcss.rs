//! `Mmcss`: the registration of a work queue with the Multimedia Class Scheduler Service (MMCSS), and the task groups of a
//! platform.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::sync::LockExt;

/// The registration of a queue with MMCSS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mmcss {
    /// The class, "Pro Audio" for example; empty when the queue is not registered.
    pub class: String,
    /// The task group; 0 when the queue is not registered.
    pub task_id: u32,
    /// The base priority of the queue's threads, relative to the class: from -2, very low, to 2, critical.
    pub base_priority: i32,
}

impl Mmcss {
    /// The value for a queue that is not registered.
    pub(crate) const fn none() -> Mmcss {
        Mmcss { class: String::new(), task_id: 0, base_priority: 0 }
    }
}

/// The task groups of a platform, and the shared queue of each class.
#[derive(Default)]
pub(crate) struct Groups {
    table: Mutex<GroupTable>,
}

#[derive(Default)]
struct GroupTable {
    /// The class of each task id; the id is the index plus 1.
    tasks: Vec<&'static str>,
    /// The shared queue of each class, open or not. The empty class means no MMCSS.
    shared: HashMap<&'static str, (QueueId, u32)>,
}

impl Groups {
    /// A registration in this class, with the task id that is given, or a new one for 0.
    pub(crate) fn join(&self, class: &str, task_id: u32, base_priority: i32) -> Result<Mmcss> {
        check_priority(base_priority)?;
        let class = known(class)?;
        let mut table = self.table();
        let task_id = if task_id == 0 {
            table.tasks.push(class);
            table.tasks.len() as u32
        } else if table.tasks.get(task_id as usize - 1).is_some_and(|joined| *joined == class) {
            task_id
        } else {
            let what = format!("join the MMCSS task {task_id} of class {class}: there is none; 0 makes one");
            return Err(Error::new(Hresult::ERROR_INVALID_TASK_INDEX, what));
        };
        Ok(Mmcss { class: class.to_owned(), task_id, base_priority })
    }

    /// The shared queue of a class, open or not, and its task id.
    pub(crate) fn shared(&self, class: &str) -> Option<(QueueId, u32)> {
        self.table().shared.get(class).copied()
    }

    /// Makes a queue the shared queue of its class, if the present one is still `former`.
    pub(crate) fn share(
        &self,
        class: &'static str,
        former: Option<(QueueId, u32)>,
        queue: (QueueId, u32),
    ) -> bool {
        let mut table = self.table();
        let unchanged = table.shared.get(class).copied() == former;
        if unchanged {
            table.shared.insert(class, queue);
        }
        unchanged
    }

    fn table(&self) -> MutexGuard<'_, GroupTable> {
        self.table.locked()
    }
}

impl fmt::Display for Mmcss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (task {}, priority {})", self.class, self.task_id, self.base_priority)
    }
}

/// The class as Windows spells it.
pub(crate) fn known(class: &str) -> Result<&'static str> {
    CLASSES.into_iter().find(|known| known.eq_ignore_ascii_case(class)).ok_or_else(|| {
        let what = format!("use the MMCSS class {class:?}: the classes are {}", CLASSES.join(", "));
        Error::new(Hresult::ERROR_INVALID_TASK_NAME, what)
    })
}

pub(crate) fn check_priority(base_priority: i32) -> Result<()> {
    if (-2..=2).contains(&base_priority) {
        return Ok(());
    }
    let what = format!("use the MMCSS base priority {base_priority}: it is from -2 to 2");
    Err(Error::new(Hresult::E_INVALIDARG, what))
}

/// The classes that Windows has by default, as its page on MMCSS lists them.
const CLASSES: [&str; 7] =
    ["Audio", "Capture", "Distribution", "Games", "Playback", "Pro Audio", "Window Manager"];
