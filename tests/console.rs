//! Promise: built for tokio-console, the tasks of queues and timers have names that say whose they are.
#![cfg(tokio_unstable)]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf_async::{AsyncResult, Platform, QueueId};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the names of the tasks that are spawned.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl Subscriber for Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        if attributes.metadata().name() == "runtime.spawn" {
            attributes.record(&mut self.clone());
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Names {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "task.name" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

#[test]
fn tasks_have_names() {
    let names = Names::default();
    tracing::subscriber::with_default(names.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            queue.run(|| ()).await.unwrap();
            let later = platform.begin_end(
                &(),
                |(), callback| {
                    let result = platform.result(callback).build()?;
                    platform.schedule(&result, Duration::from_millis(1)).map(drop)
                },
                |(), result| result.status().ok(),
            );
            later.await.unwrap();
            drop(queue);
            platform.shutdown().await.unwrap();
        });
    });
    let names = names.0.lock().unwrap();
    for name in ["mf-async: queue MULTITHREADED", "mf-async: timers", "mf-async: shutdown"] {
        assert!(names.iter().any(|known| known.contains(name)), "{name} is not among {names:?}");
    }
}
