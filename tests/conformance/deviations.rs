//! Where a subject does something else than Windows' Media Foundation, each with its reason.
//!
//! The lists are exact: a subject that does something else again fails, and so does one that no longer deviates.

mod drop_in;
mod wine;

use crate::subject::Kind;

/// What a subject does in a case instead of what is expected, and why.
pub(crate) struct Deviation {
    case: &'static str,
    pub(crate) seen: &'static str,
    pub(crate) because: &'static str,
}

/// What we do better, on purpose.
const IMPROVEMENTS: &[Deviation] = &[
    Deviation {
        case: "lifetime::a_scheduled_item",
        seen: "S_OK: released",
        because: "Windows leaks a scheduled item that is pending at the shutdown; we let go of it",
    },
    Deviation {
        case: "lifetime::a_waiting_item",
        seen: "S_OK: MF_E_OPERATION_CANCELLED",
        because: "a shutdown cancels waits, and who waits hears of it as of any other cancel",
    },
    Deviation {
        case: "lifetime::a_result_that_is_held",
        seen: "ERROR_TIMEOUT, later",
        because: "a shutdown that gave up waiting says so, and its text says for what it waited",
    },
    Deviation {
        case: "lifetime::from_a_callback",
        seen: "ERROR_POSSIBLE_DEADLOCK, then S_OK",
        because: "what would wait for itself has one code with us, whatever it is",
    },
    Deviation {
        case: "queues::too_many",
        seen: "none of 70000 allocations failed",
        because: "we have no limit but memory",
    },
];

/// What cannot be asked of ours: Rust's types do not allow it.
const NOT_IN_RUST: &[(&str, &str)] = &[
    ("lifetime::start_without_sockets", NO_VERSIONS),
    ("lifetime::start_a_newer_version", NO_VERSIONS),
    ("lifetime::start_twice", A_VALUE),
    ("lifetime::put_before", A_VALUE),
    ("lifetime::put2_before", A_VALUE),
    ("lifetime::allocate_before", A_VALUE),
    ("lifetime::allocate_ex_before", A_VALUE),
    ("lifetime::allocate_serial_before", A_VALUE),
    ("put::what_invoke_returns", "`AsyncCallback::invoke` returns nothing"),
    ("put::threads_of_multithreaded", NO_APARTMENTS),
    ("put::threads_of_standard", NO_APARTMENTS),
    ("put::threads_of_long_function", NO_APARTMENTS),
    ("queues::allocate_another_kind", "`WorkQueueType` has no other values"),
    ("queues::shared_without_a_class_name", "a `&str` is never missing"),
    ("events::begin_without_a_callback", NOT_MISSING),
    ("events::begin_without_a_callback_after_shutdown", NOT_MISSING),
    ("mmcss::buffer_too_small", NO_BUFFER),
    ("mmcss::buffer_large_enough", NO_BUFFER),
    ("services::class_of_a_topology_s_queue", NO_TOPOLOGIES),
    ("services::register_a_topology_s_queues", NO_TOPOLOGIES),
    ("transforms::unlock", UNLOCKED),
    ("transforms::unlock_a_synchronous_one", UNLOCKED),
];

const NO_VERSIONS: &str = "our platform has no versions, and sockets are tokio's";
const A_VALUE: &str = "our platform is a value: each start makes another, and there is none before the start";
const NO_APARTMENTS: &str = "our platform has no COM, and its threads no apartments";
const NOT_MISSING: &str = "an `Arc<dyn AsyncCallback>` is never missing";
const NO_TOPOLOGIES: &str = "our platform has no sessions, and no topologies";
const UNLOCKED: &str = "`TransformDriver` is told of a transform that is unlocked, and never sees it";
const NO_BUFFER: &str = "`Platform::work_queue_mmcss` gives a `String`, which is always large enough";

/// The deviation that is listed for a case.
pub(crate) fn of(kind: Kind, case: &str) -> Option<&'static Deviation> {
    listed(kind).find(|listed| listed.case == case)
}

/// Why a case is not run against a subject.
pub(crate) fn not_run(kind: Kind, case: &str) -> Option<&'static str> {
    listed_not_run(kind).find(|(listed, _)| *listed == case).map(|(_, reason)| reason)
}

type List = &'static [Deviation];

/// Whether a case of Wine's list counts.
type Listed = fn(&str) -> bool;

fn listed(kind: Kind) -> impl Iterator<Item = &'static Deviation> {
    let (own, on_wine, wine): (List, List, Listed) = match kind {
        Kind::Ours => (IMPROVEMENTS, &[], |_| false),
        Kind::Wine => (&[], &[], |_| true),
        Kind::Windows => (&[], &[], |_| false),
        Kind::DropIn => (drop_in::DEVIATIONS, &[], |_| false),
        Kind::WineDropIn => (drop_in::DEVIATIONS, drop_in::ON_WINE, |case| drop_in::AS_WINE.contains(&case)),
    };
    own.iter().chain(on_wine).chain(wine::DEVIATIONS.iter().filter(move |listed| wine(listed.case)))
}

fn listed_not_run(kind: Kind) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (own, wine): (&[(&str, &str)], Listed) = match kind {
        Kind::Ours => (NOT_IN_RUST, |_| false),
        Kind::Wine => (&[], |_| true),
        Kind::Windows => (&[], |_| false),
        Kind::DropIn => (&[], |_| false),
        Kind::WineDropIn => (drop_in::NOT_RUN_ON_WINE, |case| drop_in::NOT_RUN_AS_WINE.contains(&case)),
    };
    own.iter().chain(wine::NOT_RUN.iter().filter(move |(case, _)| wine(case))).copied()
}

/// Everything that is listed: for whom, which case, why.
pub(crate) fn all() -> impl Iterator<Item = (Kind, &'static str, &'static str)> {
    [Kind::Ours, Kind::Wine, Kind::WineDropIn].into_iter().flat_map(|kind| {
        let deviating = listed(kind).map(|listed| (listed.case, listed.because));
        deviating.chain(listed_not_run(kind)).map(move |(case, reason)| (kind, case, reason))
    })
}

/// What is listed of a subject in a case, as a cell of the table: `=` where it does as expected.
pub(crate) fn cell(kind: Kind, case: &str) -> &'static str {
    match (of(kind, case), not_run(kind, case)) {
        (Some(listed), _) => listed.seen,
        (None, Some(_)) => "not run",
        (None, None) => "=",
    }
}
