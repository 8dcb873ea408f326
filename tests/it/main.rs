//! The tests of the portable part, in one program: a module for each promise.

mod support;

mod auto_traits;
mod barrier;
mod byte_stream;
mod byte_stream_io;
mod byte_stream_partial;
mod deadline;
mod error_text;
mod event_generators;
mod event_queue;
mod event_stream;
mod event_stream_panics;
mod event_stream_polls;
mod event_stream_races;
mod event_stream_takeover;
mod file_byte_stream;
mod growth;
mod held_up;
mod hostile;
mod hostile_api;
mod invoke_callback;
mod method;
mod mmcss;
mod one_hop;
mod operation;
mod operation_await;
mod overload;
mod panic;
mod periodic;
mod priority;
mod put_work_item;
mod queue_kinds;
mod queue_lifetime;
mod reply;
mod report;
mod runtime_dropped;
mod serial_queue;
mod shown;
mod shutdown;
mod source_resolver;
mod square_root;
mod stats;
mod task;
#[cfg(feature = "test-util")]
mod testing;
mod tidy;
#[cfg(feature = "timeline")]
mod timeline;
mod timer;
mod times;
mod towers;
mod transform;
mod values;
mod waiting;
mod work_item_results;
