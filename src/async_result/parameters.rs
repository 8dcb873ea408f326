//! `CallbackParameters`: the queue that a callback names, and what its flags promise.

use std::fmt;

use bitflags::bitflags;

/// A callback's queue and its promises: `IMFAsyncCallback::GetParameters`.
///
/// ```
/// use mf_async::{CallbackParameters, QueueId};
///
/// let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
/// assert!(parameters.flags.is_empty());
/// ```
#[doc(alias = "GetParameters")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallbackParameters {
    /// The promises and needs of the callback.
    pub flags: CallbackFlags,
    /// The queue to invoke it on.
    pub queue: QueueId,
}

impl CallbackParameters {
    /// No flags, on this queue.
    pub fn on(queue: impl Into<QueueId>) -> CallbackParameters {
        CallbackParameters { flags: CallbackFlags::empty(), queue: queue.into() }
    }

    /// The same with these flags.
    #[must_use]
    pub fn with_flags(self, flags: CallbackFlags) -> CallbackParameters {
        CallbackParameters { flags, ..self }
    }
}

impl Default for CallbackParameters {
    /// No flags, on [`QueueId::STANDARD`].
    fn default() -> CallbackParameters {
        CallbackParameters::on(QueueId::STANDARD)
    }
}

bitflags! {
    /// What a callback promises or needs. No flags means that it usually takes less than 30 ms and may make any system
    /// call.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CallbackFlags: u32 {
        /// It takes less than 1 ms and does almost nothing. Only the queues
        /// [`QueueId::IO`] and [`QueueId::TIMER`] allow it.
        #[doc(alias = "MFASYNC_FAST_IO_PROCESSING_CALLBACK")]
        const FAST_IO_PROCESSING = 0x01;
        /// It takes less than 50 µs and only signals something. Only the queues
        /// [`QueueId::IO`] and [`QueueId::TIMER`] allow it.
        #[doc(alias = "MFASYNC_SIGNAL_CALLBACK")]
        const SIGNAL = 0x02;
        /// It blocks: it runs on the runtime's blocking pool, where it holds up no other item. On a queue that runs one
        /// item at a time, the next item still waits for it.
        ///
        /// It must not drop the runtime: as in `tokio::task::spawn_blocking`, that would wait for this very thread. A callback
        /// without this flag is refused to wait, and the runtime ends all the same.
        #[doc(alias = "MFASYNC_BLOCKING_CALLBACK")]
        const BLOCKING = 0x04;
        /// A serial queue goes on only when the result is passed to `invoke_callback` again, not when `invoke`
        /// returns. Other queues ignore it.
        ///
        /// Until then nothing but that can be done with the result: it cannot be put, scheduled or wait. If it was put on
        /// two serial queues before, only the first that calls it awaits the reply.
        #[doc(alias = "MFASYNC_REPLY_CALLBACK")]
        const REPLY = 0x08;
        /// Accepted and without effect, because nothing here crosses processes.
        #[doc(alias = "MFASYNC_LOCALIZE_REMOTE_CALLBACK")]
        const LOCALIZE_REMOTE = 0x10;
        // Bits without a name are kept.
        const _ = !0;
    }
}

/// The number by which Media Foundation names a work queue.
///
/// ```
/// use mf_async::QueueId;
///
/// assert_eq!(QueueId::MULTITHREADED.0, 5);
/// assert!(!QueueId::MULTITHREADED.is_private());
/// assert_eq!(format!("{} {}", QueueId::STANDARD, QueueId(0x2_0001)), "STANDARD 0x20001");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(
    /// The number, as Windows headers write it.
    pub u32,
);

impl QueueId {
    /// No queue. A put on it runs as on [`STANDARD`](QueueId::STANDARD), as with every number that
    /// has no private bit and names no queue.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_UNDEFINED")]
    pub const UNDEFINED: QueueId = QueueId(0);
    /// The default of callbacks: one item at a time, shared by all of them.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_STANDARD")]
    pub const STANDARD: QueueId = QueueId(1);
    /// Media Foundation's own: one item at a time.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_RT")]
    pub const RT: QueueId = QueueId(2);
    /// File and network input and output: items run at the same time.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_IO")]
    pub const IO: QueueId = QueueId(3);
    /// Timers and periodic callbacks: one item at a time.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_TIMER")]
    pub const TIMER: QueueId = QueueId(4);
    /// The queue that applications should use: items run at the same time.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_MULTITHREADED")]
    pub const MULTITHREADED: QueueId = QueueId(5);
    /// For callbacks that take long: each runs on the runtime's blocking pool.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_LONG_FUNCTION")]
    pub const LONG_FUNCTION: QueueId = QueueId(7);
    /// The bits of which a queue that was allocated has at least one.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_PRIVATE_MASK")]
    pub const PRIVATE_MASK: QueueId = QueueId(0xFFFF_0000);
    /// Every platform queue; only for registration with MMCSS.
    #[doc(alias = "MFASYNC_CALLBACK_QUEUE_ALL")]
    pub const ALL: QueueId = QueueId(0xFFFF_FFFF);

    /// Whether the number is that of an allocated queue.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 & QueueId::PRIVATE_MASK.0 != 0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            QueueId::UNDEFINED => "UNDEFINED",
            QueueId::STANDARD => "STANDARD",
            QueueId::RT => "RT",
            QueueId::IO => "IO",
            QueueId::TIMER => "TIMER",
            QueueId::MULTITHREADED => "MULTITHREADED",
            QueueId::LONG_FUNCTION => "LONG_FUNCTION",
            QueueId::ALL => "ALL",
            QueueId(number) => return write!(f, "0x{number:X}"),
        })
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueId({self})")
    }
}

impl From<u32> for QueueId {
    fn from(number: u32) -> QueueId {
        QueueId(number)
    }
}
