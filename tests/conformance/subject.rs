//! What a case may ask of a Media Foundation, whichever it is: MF's functions, with its numbers and codes.
//!
//! Handles are opaque: a case compares codes and what can be observed, never an implementation. What a function
//! of MF can be asked and a subject's types cannot express (a missing callback, in Rust) is in the interface all
//! the same; the cases that ask it are listed in `deviations.rs` and not run against that subject.

use std::sync::Arc;

use mf_async::Hresult;

/// What a call returned: its value, or its failure code.
pub(crate) type Answer<T = ()> = Result<T, Hresult>;

/// Which subject it is, for the table and for the lists of deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the others exist on Windows only")]
pub(crate) enum Kind {
    /// This crate's portable platform.
    Ours,
    /// The operating system's Media Foundation.
    Windows,
    /// Wine's.
    Wine,
    /// Windows' on our own `rtworkq.dll`: see the folder `rtworkq`.
    DropIn,
    /// Wine's on it.
    WineDropIn,
}

/// What a callback answers to `GetParameters`.
#[derive(Clone)]
pub(crate) enum Parameters {
    /// `E_NOTIMPL`.
    NotImplemented,
    /// These flags, and this queue.
    Are { flags: u32, queue: u32 },
    /// Whatever this says, at every call.
    Ask(Arc<dyn Fn() -> (u32, u32) + Send + Sync>),
}

/// No flags, on this queue.
pub(crate) fn on(queue: u32) -> Parameters {
    Parameters::Are { flags: 0, queue }
}

/// These flags, on this queue.
pub(crate) fn flagged(flags: u32, queue: u32) -> Parameters {
    Parameters::Are { flags, queue }
}

/// Work queues, callbacks, results, timers and waits, and the platform they belong to.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    /// An `IUnknown`: a caller's state, or a component's private object.
    type Object: Clone + Send + Sync + 'static;
    /// An `IMFAsyncCallback`.
    type Callback: Clone + Send + Sync + 'static;
    /// An `IMFAsyncResult`.
    type Result: Clone + Send + Sync + 'static;
    /// An event handle; dropping it closes it.
    type Signal: Send + Sync + 'static;

    /// A subject that is not started.
    fn new() -> Self;
    fn kind() -> Kind;

    fn startup(&self) -> Answer;
    fn startup_with(&self, version: u32, flags: u32) -> Answer;
    fn shutdown(&self) -> Answer;
    fn lock_platform(&self) -> Answer;
    fn unlock_platform(&self) -> Answer;

    /// An object in which something is kept whose end tells that of the object.
    fn object<T: Send + Sync + 'static>(&self, keeps: T) -> Self::Object;
    fn same_object(&self, one: &Self::Object, other: &Self::Object) -> bool;
    fn callback(
        &self,
        parameters: Parameters,
        invoke: impl Fn(&Self::Result) + Send + Sync + 'static,
    ) -> Self::Callback;
    /// A callback whose `Invoke` returns a failure.
    fn failing_callback(&self, invoke: impl Fn(&Self::Result) + Send + Sync + 'static) -> Self::Callback;
    fn same_result(&self, one: &Self::Result, other: &Self::Result) -> bool;

    fn create_result(
        &self,
        object: Option<&Self::Object>,
        callback: Option<&Self::Callback>,
        state: Option<&Self::Object>,
    ) -> Answer<Self::Result>;
    fn status(&self, result: &Self::Result) -> Hresult;
    fn set_status(&self, result: &Self::Result, status: Hresult) -> Answer;
    fn state(&self, result: &Self::Result) -> Answer<Self::Object>;
    /// The state by `GetStateNoAddRef`.
    fn borrowed_state(&self, result: &Self::Result) -> Option<Self::Object>;
    fn object_of(&self, result: &Self::Result) -> Answer<Self::Object>;
    /// Whether the result's `hEvent` is signalled.
    fn is_signalled(&self, result: &Self::Result) -> bool;

    fn invoke(&self, result: &Self::Result) -> Answer;
    fn put(&self, queue: u32, callback: &Self::Callback, state: Option<&Self::Object>) -> Answer;
    fn put2(
        &self,
        queue: u32,
        priority: i32,
        callback: &Self::Callback,
        state: Option<&Self::Object>,
    ) -> Answer;
    fn put_ex(&self, queue: u32, result: &Self::Result) -> Answer;
    fn put_ex2(&self, queue: u32, priority: i32, result: &Self::Result) -> Answer;

    fn allocate(&self) -> Answer<u32>;
    fn allocate_ex(&self, kind: u32) -> Answer<u32>;
    fn allocate_serial(&self, base: u32) -> Answer<u32>;
    fn lock_queue(&self, queue: u32) -> Answer;
    fn unlock_queue(&self, queue: u32) -> Answer;
    /// The queue's number, and the task id if one was asked for.
    fn lock_shared(&self, class: Option<&str>, priority: i32, task: Option<u32>) -> Answer<(u32, u32)>;

    fn schedule(&self, callback: &Self::Callback, state: Option<&Self::Object>, timeout: i64) -> Answer<u64>;
    fn schedule_ex(&self, result: &Self::Result, timeout: i64) -> Answer<u64>;
    fn cancel(&self, key: u64) -> Answer;

    /// An event handle that stays set, or one that is reset by a wait.
    fn signal(&self, stays_set: bool) -> Self::Signal;
    fn set(&self, signal: &Self::Signal);
    fn put_waiting(&self, signal: &Self::Signal, priority: i32, result: &Self::Result) -> Answer<u64>;

    fn add_periodic(
        &self,
        call: impl Fn() + Send + Sync + 'static,
        context: Option<&Self::Object>,
    ) -> Answer<u32>;
    fn remove_periodic(&self, key: u32) -> Answer;
    /// In milliseconds.
    fn periodicity(&self) -> Answer<u32>;

    /// Whether the current thread is in the multithreaded apartment, as one that joined it.
    fn in_mta(&self) -> bool;
    /// Whether the current thread has an apartment of its own.
    fn in_sta(&self) -> bool;
}

/// What an event carries.
#[derive(Clone)]
pub(crate) enum Value<O> {
    Empty,
    I64(i64),
    Object(O),
    /// Anything else.
    Other,
}

/// Events and their queues.
pub(crate) trait Events: Subject {
    type EventQueue: Clone + Send + Sync + 'static;
    type Event: Clone + Send + Sync + 'static;

    fn create_event_queue(&self) -> Answer<Self::EventQueue>;
    fn create_event(&self, kind: u32, extended: u128, status: Hresult, number: Option<i64>) -> Self::Event;
    fn event_type(&self, event: &Self::Event) -> u32;
    fn extended_type(&self, event: &Self::Event) -> u128;
    fn event_status(&self, event: &Self::Event) -> Hresult;
    fn event_value(&self, event: &Self::Event) -> Value<Self::Object>;

    fn get_event(&self, queue: &Self::EventQueue, wait: bool) -> Answer<Self::Event>;
    /// The code itself, since one of the successes is another than `S_OK`.
    fn begin_get_event(
        &self,
        queue: &Self::EventQueue,
        callback: Option<&Self::Callback>,
        state: Option<&Self::Object>,
    ) -> Hresult;
    fn end_get_event(&self, queue: &Self::EventQueue, result: &Self::Result) -> Answer<Self::Event>;
    fn queue_event(&self, queue: &Self::EventQueue, event: &Self::Event) -> Answer;
    fn queue_event_var(&self, queue: &Self::EventQueue, kind: u32, status: Hresult, value: i64) -> Answer;
    fn queue_event_unk(
        &self,
        queue: &Self::EventQueue,
        kind: u32,
        status: Hresult,
        object: &Self::Object,
    ) -> Answer;
    fn shut_down_events(&self, queue: &Self::EventQueue) -> Answer;
}

/// The buffer of a read or write, which the caller keeps from Begin to End.
pub(crate) trait Buffer: Clone + Send + Sync + 'static {
    fn holding(bytes: &[u8]) -> Self;
    /// Its first bytes.
    fn bytes(&self, count: usize) -> Vec<u8>;
}

/// Files as byte streams.
pub(crate) trait Streams: Subject {
    type Stream: Clone + Send + Sync + 'static;
    type Cookie: Send + Sync + 'static;
    type Buffer: Buffer;

    fn create_file(&self, access: u32, mode: u32, flags: u32, path: &str) -> Answer<Self::Stream>;
    fn begin_create_file(
        &self,
        access: u32,
        mode: u32,
        flags: u32,
        path: &str,
        callback: &Self::Callback,
        state: Option<&Self::Object>,
    ) -> Answer<Option<Self::Cookie>>;
    fn end_create_file(&self, result: &Self::Result) -> Answer<Self::Stream>;
    fn cancel_create_file(&self, cookie: &Self::Cookie) -> Answer;

    fn capabilities(&self, stream: &Self::Stream) -> Answer<u32>;
    fn length(&self, stream: &Self::Stream) -> Answer<u64>;
    fn set_length(&self, stream: &Self::Stream, length: u64) -> Answer;
    fn position(&self, stream: &Self::Stream) -> Answer<u64>;
    fn set_position(&self, stream: &Self::Stream, position: u64) -> Answer;
    fn is_end(&self, stream: &Self::Stream) -> Answer<bool>;
    fn read(&self, stream: &Self::Stream, count: usize) -> Answer<Vec<u8>>;
    fn write(&self, stream: &Self::Stream, bytes: &[u8]) -> Answer<usize>;
    fn begin_read(
        &self,
        stream: &Self::Stream,
        buffer: &Self::Buffer,
        callback: &Self::Callback,
        state: Option<&Self::Object>,
    ) -> Answer;
    /// How many bytes are in the buffer.
    fn end_read(&self, stream: &Self::Stream, result: &Self::Result, buffer: &Self::Buffer) -> Answer<usize>;
    fn begin_write(
        &self,
        stream: &Self::Stream,
        buffer: &Self::Buffer,
        callback: &Self::Callback,
        state: Option<&Self::Object>,
    ) -> Answer;
    fn end_write(&self, stream: &Self::Stream, result: &Self::Result) -> Answer<usize>;
    /// `origin` is 0 for the start and 1 for the position.
    fn seek(&self, stream: &Self::Stream, origin: u32, offset: i64, flags: u32) -> Answer<u64>;
    fn flush(&self, stream: &Self::Stream) -> Answer;
    fn close(&self, stream: &Self::Stream) -> Answer;
}

/// The source resolver, as far as byte streams go.
pub(crate) trait Resolving: Streams {
    type Resolver: Clone + Send + Sync + 'static;

    fn create_resolver(&self) -> Answer<Self::Resolver>;
    fn begin_url(
        &self,
        resolver: &Self::Resolver,
        url: &str,
        flags: u32,
        callback: &Self::Callback,
        state: Option<&Self::Object>,
    ) -> Answer<Option<Self::Cookie>>;
    /// The stream that was made.
    fn end_url(&self, resolver: &Self::Resolver, result: &Self::Result) -> Answer<Self::Stream>;
    fn begin_stream(
        &self,
        resolver: &Self::Resolver,
        stream: &Self::Stream,
        url: Option<&str>,
        flags: u32,
        callback: &Self::Callback,
    ) -> Answer<Option<Self::Cookie>>;
    fn end_stream(&self, resolver: &Self::Resolver, result: &Self::Result) -> Answer;
    fn cancel_resolving(&self, resolver: &Self::Resolver, cookie: &Self::Cookie) -> Answer;
}

/// Registration with MMCSS, each Begin followed by its End.
pub(crate) trait Mmcss: Subject {
    /// The task id.
    fn register_queue(&self, queue: u32, class: &str, task: u32, priority: i32) -> Answer<u32>;
    fn unregister_queue(&self, queue: u32) -> Answer;
    fn class(&self, queue: u32) -> Answer<String>;
    /// The code for a buffer of so many characters, and the size that is then asked for.
    fn class_in(&self, queue: u32, characters: u32) -> (Hresult, u32);
    fn task_id(&self, queue: u32) -> Answer<u32>;
    fn mmcss_priority(&self, queue: u32) -> Answer<i32>;
    fn register_platform(&self, class: &str, task: u32, priority: i32) -> Answer<u32>;
    fn unregister_platform(&self) -> Answer;
}

/// What only the real-time work queue API has. Its queues are those of Media Foundation.
pub(crate) trait Rtwq: Subject {
    type Deadline: Send + Sync + 'static;
    /// Somebody who is told of the platform's beginning and end.
    type Listener: Send + Sync + 'static;

    fn set_long_running(&self, queue: u32, enable: bool) -> Answer;
    /// In units of 100 ns.
    fn set_deadline(&self, queue: u32, deadline: i64) -> Answer<Self::Deadline>;
    fn set_deadline2(&self, queue: u32, deadline: i64, warning: i64) -> Answer<Self::Deadline>;
    fn cancel_deadline(&self, deadline: Self::Deadline) -> Answer;
    /// Each event is told by its name.
    fn register_platform_events(
        &self,
        tell: impl Fn(&'static str) + Send + Sync + 'static,
    ) -> Answer<Self::Listener>;
    fn unregister_platform_events(&self, listener: Self::Listener) -> Answer;
}

/// What happens to an asynchronous transform, and to whoever drives it.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// The transform says that it takes one more input.
    NeedInput,
    /// The transform says that it has one more output.
    HaveOutput,
    /// The transform says that it has drained.
    DrainComplete,
    /// A sample is to go in, as soon as it may.
    Put,
    /// A sample is to come out, as soon as there is one.
    Take,
    Drain,
    Flush,
    /// Somebody else shuts the transform down.
    Shutdown,
    /// What the next call of `ProcessInput` returns.
    InputSays(Hresult),
    /// What the next call of `ProcessOutput` returns.
    OutputSays(Hresult),
}

/// Whoever drives asynchronous transforms.
pub(crate) trait Transforms: Subject {
    /// What is called of a transform that is unlocked, in order, and what comes of it: "start", "input", "output",
    /// "end" and "drain", "flush", "type", each with its code if that is a failure; "taken", "drained".
    fn drive(&self, steps: &[Step]) -> String;
    /// What comes of a transform that is to be driven, and whether it is unlocked then.
    fn unlock(&self, asynchronous: bool) -> (Hresult, bool);
}

/// The work-queue services of a media session, each Begin followed by its End.
pub(crate) trait Services: Mmcss {
    /// The task id. The queue is one of the platform's, or `ALL`.
    fn register_by_service(&self, queue: u32, class: &str, task: u32) -> Answer<u32>;
    fn unregister_by_service(&self, queue: u32) -> Answer;
    fn class_by_service(&self, queue: u32) -> Answer<String>;
    fn task_by_service(&self, queue: u32) -> Answer<u32>;
    /// The class of a queue of the session's topology.
    fn topology_class(&self, queue: u32) -> Answer<String>;
    /// The code, when the queues of a session without a topology are registered.
    fn register_topology(&self) -> Hresult;
}
