//! Where Wine differs from Windows. Seen with Wine 8.0, as Debian 12 has it; a later Wine that does as Windows does
//! fails here until its entry is taken out.

use crate::deviations::Deviation;

const fn entry(case: &'static str, seen: &'static str, because: &'static str) -> Deviation {
    Deviation { case, seen, because }
}

const UNNAMED: &str =
    "Wine knows no platform queues but its six; Windows takes other ids without private bits for STANDARD";
const FLAGS: &str =
    "Wine does not look whether a callback's flags fit the queue, as the page on GetParameters says";
const APARTMENTS: &str = "Wine 8 joins no apartment on its queue threads";
const HELD: &str =
    "Wine's platform goes on, after its shutdown, while a result is held; Windows waits, and then ends it";
const GOES_ON: &str = "Wine's platform goes on, after its shutdown, while a result is held: whether the item still runs is chance";
const NO_WAIT: &str = "Wine's shutdown does not wait for results";
const LEAKED: &str = "Wine lets go of it later, or not at all";
const STANDARD_WORKS: &str = "Wine 8 does its own input and output on STANDARD";
const QUEUE_IGNORED: &str = "Wine runs it on STANDARD when there is no such queue, and calls it";
const ALL_WAITS: &str = "Wine does not look which queue a waiting item's callback names";
const RELEASED: &str =
    "Wine 8 lets go, un-called, of what is queued when the last lock on a private queue is taken off";
const REPLIES: &str =
    "Wine 8 waits for a reply, and then does not know the result that it gave to the callback as one";
const NO_MMCSS: &str = "Wine has no MMCSS, and says so";
const SHARED: &str = "Wine has one shared queue, whatever the class: it has no MMCSS";
const NO_DEADLINES: &str = "Wine has no deadlines, and says so";
const NO_PLATFORM_EVENTS: &str = "Wine tells nobody of the platform's beginning and end, and says so";
const STUB: &str = "Wine 8 does not implement this method of its file streams";
const RESOLVER: &str = "Wine's resolver does not look at its flags, nor for a handler, before it calls back";
const RESOLVER_END: &str = "Wine's resolver has another code for this";
const CREATE_END: &str =
    "Wine has one code for whatever goes wrong in MFEndCreateFile and MFCancelCreateFile";

pub(crate) const DEVIATIONS: &[Deviation] = &[
    entry("lifetime::cancel_after", "S_OK", HELD),
    entry(
        "lifetime::lock_queue_after",
        "MF_E_INVALID_WORKQUEUE",
        "Wine looks for the queue before it looks whether the platform is up; no page says which comes first",
    ),
    entry("lifetime::a_result_that_is_held", "S_OK, at once", NO_WAIT),
    entry("lifetime::a_periodic_callback", "S_OK: kept", LEAKED),
    entry(
        "lifetime::from_a_callback",
        "shut down, then S_OK",
        "Wine does not look where it is called from, and its shutdown waits for nothing",
    ),
    entry("put::on_0", "MF_E_INVALID_WORKQUEUE", UNNAMED),
    entry("put::on_6", "MF_E_INVALID_WORKQUEUE", UNNAMED),
    entry("put::on_0x4000", "MF_E_INVALID_WORKQUEUE", UNNAMED),
    entry("put::on_0xffff", "MF_E_INVALID_WORKQUEUE", UNNAMED),
    entry(
        "put::unnamed_queues_are_standard",
        "MF_E_INVALID_WORKQUEUE held MF_E_INVALID_WORKQUEUE held",
        UNNAMED,
    ),
    entry("put::fast_io_on_standard", "S_OK, called", FLAGS),
    entry("put::fast_io_on_multithreaded", "S_OK, called", FLAGS),
    entry("put::signal_on_standard", "S_OK, called", FLAGS),
    entry("put::parameters_are_asked_at_every_put", "S_OK asked here, S_OK asked here", FLAGS),
    entry("put::threads_of_multithreaded", "in none", APARTMENTS),
    entry("put::threads_of_standard", "in none", APARTMENTS),
    entry("put::threads_of_long_function", "in none", APARTMENTS),
    entry("invoke::queue_0", "MF_E_INVALID_WORKQUEUE held", UNNAMED),
    entry("invoke::unknown_queue", "S_OK, called", QUEUE_IGNORED),
    entry("invoke::fast_io_on_standard", "S_OK, called", FLAGS),
    entry("invoke::signal_on_long_function", "S_OK, called", FLAGS),
    entry("queues::allocate_another_kind", "S_OK", "Wine takes what is no type of queue for one"),
    entry("queues::too_many", "E_OUTOFMEMORY", "Wine has another code for its limit"),
    entry("queues::shared_empty_class_with_a_priority", "S_OK", SHARED),
    entry("queues::shared_by_class", "the same private id, the same task, 0; runs", SHARED),
    entry("queues::shared_by_two_classes", "one queue", SHARED),
    entry("queues::shared_unknown_class", "a queue", SHARED),
    entry("queues::items_at_the_last_unlock", "S_OK: held", RELEASED),
    entry("serial::over_unknown", "S_OK", "Wine looks for the queue below when something is put, not before"),
    entry("serial::items_at_the_last_unlock", "S_OK: held", RELEASED),
    entry("reply::waits_for_the_reply", "asked, MF_E_INVALID_WORKQUEUE: asked replied", REPLIES),
    entry("reply::calls_once", "MF_E_INVALID_WORKQUEUE", REPLIES),
    entry("reply::within_invoke", "MF_E_INVALID_WORKQUEUE returns", REPLIES),
    entry("reply::many", "MF_E_INVALID_WORKQUEUE", REPLIES),
    entry("reply::the_queue_keeps_the_result", "kept, then kept", REPLIES),
    entry("reply::a_second_reply_is_an_invocation", "MF_E_INVALID_WORKQUEUE", REPLIES),
    entry("timers::positive", "S_OK", "Wine takes a positive timeout; no page says what one means"),
    entry("timers::on_an_unknown_queue", "S_OK, kept", QUEUE_IGNORED),
    entry("timers::cancel", "S_OK, callback kept, state kept, later", LEAKED),
    entry("waits::on_io", "S_OK", ALL_WAITS),
    entry("waits::on_long_function", "S_OK", ALL_WAITS),
    entry("waits::on_rt", "S_OK", ALL_WAITS),
    entry("waits::on_timer", "S_OK", ALL_WAITS),
    entry("waits::on_unknown", "S_OK", QUEUE_IGNORED),
    entry(
        "waits::keeps_what_it_waits_for",
        "S_OK: held",
        "Wine 8 waits for the caller's own handle, which must stay open",
    ),
    entry("waits::priorities", "held low high", "Wine calls what waits in the order in which it was put"),
    entry("waits::cancelled_is_released", "S_OK, kept", LEAKED),
    entry("periodic::the_context", "kept, then kept", LEAKED),
    entry(
        "events::on_the_queue_it_names",
        "called held",
        "Wine calls who asked for an event on STANDARD, whatever queue the callback names",
    ),
    entry("byte_streams::begin_read_does_not_need_standard", "S_OK: held read", STANDARD_WORKS),
    entry(
        "byte_positions::seek_before_the_start",
        "18446744073709551615 18446744073709551615",
        "Wine 8 goes where it is told, even before the start",
    ),
    entry("byte_positions::set_length", "E_NOTIMPL 10 E_NOTIMPL 10 8, 0123456789", STUB),
    entry("byte_positions::set_length_of_what_is_only_readable", "E_NOTIMPL, 0123456789", STUB),
    entry("byte_streams::flush", "E_NOTIMPL E_NOTIMPL", STUB),
    entry("byte_streams::close_twice", "E_NOTIMPL E_NOTIMPL", STUB),
    entry("byte_streams::close_releases_the_file", "E_NOTIMPL, removed", STUB),
    entry("byte_streams::close_with_a_read_in_flight", "E_NOTIMPL, called, ended", STUB),
    entry(
        "files::append_if_exist_there",
        "length 5, at 0; 5 bytes",
        "Wine leaves the position at the start; the page does not say where it is",
    ),
    entry("files::write_sharing", "S_OK, not written", "Wine 8 takes no notice of ALLOW_WRITE_SHARING"),
    entry("files::begin_missing", "S_OK, called, MF_E_UNEXPECTED", CREATE_END),
    entry("files::begin_exists", "S_OK, called, MF_E_UNEXPECTED", CREATE_END),
    entry("files::end_twice", "S_OK MF_E_UNEXPECTED", CREATE_END),
    entry("files::end_with_a_foreign_result", "MF_E_UNEXPECTED", CREATE_END),
    entry("files::begin_does_not_need_standard", "held called", STANDARD_WORKS),
    entry("files::begin_on_an_unknown_queue", "kept", QUEUE_IGNORED),
    entry("files::cancel", "MF_E_UNEXPECTED, called, ended", CREATE_END),
    entry("resolver::both_flags", "S_OK", RESOLVER),
    entry("resolver::no_flag", "S_OK", RESOLVER),
    entry("resolver::unknown_scheme", "S_OK", RESOLVER),
    entry("resolver::a_missing_file", "S_OK, called, E_POINTER", RESOLVER_END),
    entry("resolver::a_source_of_no_known_kind", "S_OK, called, E_POINTER", RESOLVER_END),
    entry("resolver::stream_both_flags", "S_OK", RESOLVER),
    entry("resolver::stream_to_stream", "S_OK", RESOLVER),
    entry("resolver::stream_no_flag", "S_OK", RESOLVER),
    entry("resolver::stream_of_no_known_kind", "S_OK", RESOLVER),
    entry("resolver::refused_is_not_kept", "S_OK, kept", RESOLVER),
    entry("resolver::end_with_a_foreign_result", "E_POINTER", RESOLVER_END),
    entry("resolver::stream_end_with_a_foreign_result", "E_POINTER", RESOLVER_END),
    entry("mmcss::not_registered", "\"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL", NO_MMCSS),
    entry("mmcss::register", "E_NOTIMPL: \"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL", NO_MMCSS),
    entry("mmcss::the_task_id", "the same task, E_NOTIMPL", NO_MMCSS),
    entry("mmcss::unregister", "E_NOTIMPL: \"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL", NO_MMCSS),
    entry("mmcss::unknown_class", "E_NOTIMPL", NO_MMCSS),
    entry("mmcss::unknown_task", "E_NOTIMPL", NO_MMCSS),
    entry("mmcss::unknown_queue", "E_NOTIMPL", NO_MMCSS),
    entry("mmcss::join_a_task", "E_NOTIMPL E_NOTIMPL, the same task", NO_MMCSS),
    entry("mmcss::class_of_an_unknown_queue", "E_NOTIMPL", NO_MMCSS),
    entry("mmcss::buffer_too_small", "E_NOTIMPL 5", NO_MMCSS),
    entry("mmcss::buffer_large_enough", "E_NOTIMPL 6", NO_MMCSS),
    entry(
        "mmcss::register_the_platform",
        "E_NOTIMPL: \"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL; \"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL",
        NO_MMCSS,
    ),
    entry("mmcss::unregister_the_platform", "E_NOTIMPL: \"E_NOTIMPL\" E_NOTIMPL E_NOTIMPL", NO_MMCSS),
    entry("mmcss::shared_with_an_unknown_task", "a queue", SHARED),
    entry("mmcss::shared_with_a_task_of_another_class", "a queue", SHARED),
    entry("mmcss::shared_with_another_task_than_its_own", "a queue", SHARED),
    entry("rtwq::deadline", "E_NOTIMPL, cancelled never", NO_DEADLINES),
    entry("rtwq::deadline_with_a_warning", "E_NOTIMPL, cancelled never", NO_DEADLINES),
    entry(
        "rtwq::deadline_that_is_changed",
        "E_NOTIMPL E_NOTIMPL, cancelled never never: called",
        NO_DEADLINES,
    ),
    entry("rtwq::deadline_that_is_missed", "E_NOTIMPL: held 1 2 3", NO_DEADLINES),
    entry("rtwq::deadline_of_a_queue_that_goes", "E_NOTIMPL, cancelled never", NO_DEADLINES),
    entry("rtwq::deadline_of_an_unknown_queue", "E_NOTIMPL", NO_DEADLINES),
    entry("rtwq::deadline_at_the_shutdown", "E_NOTIMPL: S_OK", NO_DEADLINES),
    entry("rtwq::platform_events", "E_NOTIMPL: nothing", NO_PLATFORM_EVENTS),
    entry("rtwq::platform_events_and_what_is_queued", "E_NOTIMPL: nothing", NO_PLATFORM_EVENTS),
    entry("rtwq::platform_events_that_are_unregistered", "E_NOTIMPL never: nothing", NO_PLATFORM_EVENTS),
    entry(
        "rtwq::platform_events_for_two",
        "E_NOTIMPL E_NOTIMPL: 0 were told of the start and 0 of the end",
        NO_PLATFORM_EVENTS,
    ),
];

/// What cannot be asked of Wine.
pub(crate) const NOT_RUN: &[(&str, &str)] = &[
    ("put::without_a_callback", NO_CALLBACK),
    ("invoke::without_a_callback", NO_CALLBACK),
    ("lifetime::put_ex_after", GOES_ON),
    ("lifetime::put_ex2_after", GOES_ON),
    ("lifetime::invoke_after", GOES_ON),
    ("lifetime::schedule_ex_after", GOES_ON),
    ("lifetime::put_waiting_after", GOES_ON),
    ("lifetime::what_ran_is_released", "Wine's shutdown does not wait, so that what is seen is chance"),
    ("services::register", NO_SERVICES),
    ("services::unregister", NO_SERVICES),
    ("services::register_all", NO_SERVICES),
    ("services::unknown_class", NO_SERVICES),
    ("services::class_of_a_topology_s_queue", NO_SERVICES),
    ("services::register_a_topology_s_queues", NO_SERVICES),
    (
        "resolver::cancel",
        "Wine refuses a cancel that comes before the file is open, with MF_E_UNEXPECTED, and has E_POINTER at the End \
         after one that comes later; which it is is chance, and neither is what the page says",
    ),
    ("byte_streams::begin_write", WRITES),
    ("byte_streams::read_after_write", WRITES),
    ("byte_streams::end_read_of_a_write", WRITES),
];

const NO_CALLBACK: &str = "Wine calls the callback that is not there, and crashes";
const NO_SERVICES: &str =
    "Wine's session has no such services: asked for them it succeeds, and gives nothing";
const WRITES: &str = "Wine 8 crashes in the write that BeginWrite begins";
