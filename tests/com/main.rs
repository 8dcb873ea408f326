//! The tests of the Windows half, in one program: a module for each part of `com`.
#![cfg(windows)]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "every call of an interface is unsafe; the objects called live in the tests"
)]

mod support;

mod async_result;
mod buffers;
mod byte_stream;
mod callbacks;
mod capture_device;
mod capture_engine;
mod decoding;
mod encoder;
mod events;
mod exit;
mod live_objects;
mod media_source;
mod operation;
mod platform;
mod reader_ends;
mod released;
mod session;
mod sink_writer;
mod source_reader;
mod tear_off;
mod transform;
mod wakers;
mod work_queue;
