//! Registration of work queues with the Multimedia Class Scheduler Service (MMCSS), and the queues that
//! are shared by class.
//!
//! What is registered is kept and read back everywhere. Threads are really raised where the queue has
//! threads of its own, which shared queues of a class have with the feature `realtime`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::operation::Operation;
use crate::queue::{Queues, WorkQueue};

/// What a queue is registered as with MMCSS.
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

/// The classes that Windows knows if nobody adds others, as its page on MMCSS lists them.
pub(crate) const CLASSES: [&str; 7] =
    ["Audio", "Capture", "Distribution", "Games", "Playback", "Pro Audio", "Window Manager"];

impl Mmcss {
    /// What a queue that is not registered reads back.
    pub(crate) const fn none() -> Mmcss {
        Mmcss { class: String::new(), task_id: 0, base_priority: 0 }
    }
}

/// The task groups of a platform, the queue of each class, and what the whole platform is registered as.
#[derive(Default)]
pub(crate) struct Groups {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// The class of every task id; the id is the index plus one.
    tasks: Vec<&'static str>,
    /// The shared queue of each class, open or not; the empty class is the one without MMCSS.
    shared: HashMap<&'static str, (QueueId, u32)>,
}

impl Groups {
    /// The class by the name that Windows has for it, and a task id in it: the one given, or a new one.
    fn join(&self, class: &str, task_id: u32) -> Result<(&'static str, u32)> {
        let class = known(class)?;
        let mut table = self.table();
        if task_id == 0 {
            table.tasks.push(class);
            return Ok((class, table.tasks.len() as u32));
        }
        match table.tasks.get(task_id as usize - 1) {
            Some(joined) if *joined == class => Ok((class, task_id)),
            _ => {
                let what = format!("join the MMCSS task {task_id} of class {class}: there is none");
                Err(Error::new(Hresult::ERROR_INVALID_TASK_INDEX, what))
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Registers a queue: its own item does it, as the calls concern the thread that makes them.
    #[track_caller]
    pub(crate) fn register(
        self: &Arc<Self>,
        queue: QueueId,
        class: &str,
        task_id: u32,
        base_priority: i32,
    ) -> Operation<u32> {
        let registered = self.handle(queue).and_then(|queue| {
            check_priority(base_priority)?;
            let (class, task_id) = self.groups().join(class, task_id)?;
            Ok((queue, Mmcss { class: class.to_owned(), task_id, base_priority }))
        });
        match registered {
            Ok((queue, mmcss)) => {
                let task_id = mmcss.task_id;
                let of = queue.queue().clone();
                queue.run(move || {
                    of.set_mmcss(mmcss);
                    task_id
                })
            }
            Err(error) => Operation::failed(error),
        }
    }

    #[track_caller]
    pub(crate) fn unregister(self: &Arc<Self>, queue: QueueId) -> Operation<()> {
        match self.handle(queue) {
            Ok(queue) => {
                let of = queue.queue().clone();
                queue.run(move || of.set_mmcss(Mmcss::none()))
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// Registers every platform queue, now.
    pub(crate) fn register_all(&self, class: &str, task_id: u32, base_priority: i32) -> Result<u32> {
        check_priority(base_priority)?;
        let (class, task_id) = self.groups().join(class, task_id)?;
        self.set_platform_mmcss(&Mmcss { class: class.to_owned(), task_id, base_priority })?;
        Ok(task_id)
    }

    /// The queue that everybody shares who names this class.
    #[track_caller]
    pub(crate) fn lock_shared(
        self: &Arc<Self>,
        class: &str,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        if class.is_empty() {
            if task_id.is_some() || base_priority != 0 {
                let what = "lock the shared queue without a class, which has no task id and no priority";
                return Err(Error::new(Hresult::E_INVALIDARG, what));
            }
        } else {
            known(class)?;
            check_priority(base_priority)?;
        }
        let name = if class.is_empty() { "" } else { known(class)? };
        let asked = task_id.unwrap_or(0);
        let former = self.groups().table().shared.get(name).copied();
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
        let (task, mmcss) = if name.is_empty() {
            (0, Mmcss::none())
        } else {
            let (class, task_id) = self.groups().join(name, asked)?;
            (task_id, Mmcss { class: class.to_owned(), task_id, base_priority })
        };
        let queue = self.allocate_shared(&mmcss)?;
        queue.queue().set_mmcss(mmcss);
        // Somebody may have been faster: then theirs is the shared one, and ours goes.
        let mut table = self.groups().table();
        if table.shared.get(name).copied() == former {
            table.shared.insert(name, (queue.id(), task));
            return Ok((queue, task));
        }
        drop(table);
        drop(queue);
        self.lock_shared(class, base_priority, task_id)
    }
}

impl fmt::Display for Mmcss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (task {}, priority {})", self.class, self.task_id, self.base_priority)
    }
}

fn known(class: &str) -> Result<&'static str> {
    CLASSES.into_iter().find(|known| known.eq_ignore_ascii_case(class)).ok_or_else(|| {
        let what = format!("use the MMCSS class {class:?}: the classes are {}", CLASSES.join(", "));
        Error::new(Hresult::ERROR_INVALID_TASK_NAME, what)
    })
}

fn check_priority(base_priority: i32) -> Result<()> {
    if (-2..=2).contains(&base_priority) {
        return Ok(());
    }
    let what = format!("use the MMCSS base priority {base_priority}: it is from -2 to 2");
    Err(Error::new(Hresult::E_INVALIDARG, what))
}
