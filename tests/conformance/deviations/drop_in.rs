//! Where our own `rtworkq.dll` differs from Windows, under Wine's or Windows' `mfplat.dll`. The folder `rtworkq` has it.

use crate::deviations::Deviation;

/// What the queues do.
pub(crate) const DEVIATIONS: &[Deviation] = &[
    Deviation {
        case: "lifetime::a_scheduled_item",
        seen: "S_OK: released",
        because: "Windows leaks a scheduled item that is pending at the shutdown; our platform releases it",
    },
    Deviation {
        case: "lifetime::a_waiting_item",
        seen: "S_OK: MF_E_OPERATION_CANCELLED",
        because: "our platform's shutdown cancels waits, and each is called with that code",
    },
    Deviation {
        case: "put::threads_of_long_function",
        seen: "in the MTA",
        because: "its threads are the runtime's, which serve other queues as well, and join one apartment at their start",
    },
    Deviation {
        case: "queues::too_many",
        seen: "none of 70000 allocations failed",
        because: "our platform has no limit but memory",
    },
];

/// The same where Wine's Media Foundation calls them.
pub(crate) const ON_WINE: &[Deviation] = &[Deviation {
    case: "lifetime::from_a_callback",
    seen: "shut down, then S_OK",
    because: "RtwqShutdown refuses it with E_ILLEGAL_METHOD_CALL, and Wine's MFShutdown does not look at what it says",
}];

/// What Wine does as listed for it, on any work queues: its files, its resolver, its events.
pub(crate) const AS_WINE: &[&str] = &[
    "events::on_the_queue_it_names",
    "byte_streams::begin_read_does_not_need_standard",
    "byte_positions::seek_before_the_start",
    "byte_positions::set_length",
    "byte_positions::set_length_of_what_is_only_readable",
    "byte_streams::flush",
    "byte_streams::close_twice",
    "byte_streams::close_releases_the_file",
    "byte_streams::close_with_a_read_in_flight",
    "files::append_if_exist_there",
    "files::write_sharing",
    "files::begin_missing",
    "files::begin_exists",
    "files::end_twice",
    "files::end_with_a_foreign_result",
    "files::begin_does_not_need_standard",
    "files::begin_on_an_unknown_queue",
    "resolver::both_flags",
    "resolver::no_flag",
    "resolver::unknown_scheme",
    "resolver::a_missing_file",
    "resolver::a_source_of_no_known_kind",
    "resolver::stream_both_flags",
    "resolver::stream_to_stream",
    "resolver::stream_no_flag",
    "resolver::stream_of_no_known_kind",
    "resolver::refused_is_not_kept",
    "resolver::end_with_a_foreign_result",
    "resolver::stream_end_with_a_foreign_result",
];

/// What cannot be asked of Wine on them.
pub(crate) const NOT_RUN_ON_WINE: &[(&str, &str)] = &[(
    "files::cancel",
    "whether the cancel comes before the file is open is chance, and Wine has another code for each",
)];

/// What cannot be asked of Wine, on any work queues.
pub(crate) const NOT_RUN_AS_WINE: &[&str] = &[
    "services::register",
    "services::unregister",
    "services::register_all",
    "services::unknown_class",
    "services::class_of_a_topology_s_queue",
    "services::register_a_topology_s_queues",
    "resolver::cancel",
    "byte_streams::begin_write",
    "byte_streams::read_after_write",
    "byte_streams::end_read_of_a_write",
];
