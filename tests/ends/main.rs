//! Promise: everything that can be awaited or called back ends, however it ends, and as the page *How things end* says: the
//! table there is read, and each of its cells is played on a current-thread runtime, on workers, and under a paused clock.

mod bytes;
mod endings;
mod given;
mod kinds;
mod page;
mod plain;
mod play;
mod streams;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use self::endings::{ENDINGS, Ending};
use self::given::Flavor;
use self::page::{Page, read_page};
use self::play::Kind;

/// No case takes anywhere near as long; what does, hangs.
const LIMIT: Duration = Duration::from_secs(30);

fn all_kinds() -> Vec<Kind> {
    [kinds::kinds(), streams::kinds(), bytes::kinds(), plain::kinds()].concat()
}

/// Plays a case on a thread of its own, and says how it ended; "-" if it makes no sense.
fn ended(kind: &Kind, ending: &'static Ending, flavor: Flavor) -> String {
    let (send, receive) = sync_channel(1);
    let kind = *kind;
    let played = std::thread::Builder::new().name("expected panics".to_owned()).spawn(move || {
        let ended = std::panic::catch_unwind(|| (ending.play)(flavor, &kind));
        let _ = send.send(ended.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }));
    });
    played.unwrap();
    // The thread of a case that hangs is left behind.
    receive.recv_timeout(LIMIT).unwrap_or_else(|_| "hangs".to_owned())
}

/// How each case ended, by the names of its kind and its ending.
fn play_all() -> BTreeMap<(usize, usize), Vec<(Flavor, String)>> {
    let kinds = all_kinds();
    let cells: Vec<_> =
        (0..kinds.len()).flat_map(|kind| (0..ENDINGS.len()).map(move |ending| (kind, ending))).collect();
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&(kind, ending)) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let ends =
                        Flavor::ALL.map(|flavor| (flavor, ended(&kinds[kind], &ENDINGS[ending], flavor)));
                    seen.lock().unwrap().insert((kind, ending), ends.to_vec());
                }
            });
        }
    });
    seen.into_inner().unwrap()
}

/// Panics of the user's code are part of the plays: only others are shown.
fn hide_expected_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref().copied());
        let expected = text == Some(given::EXPECTED);
        if !expected {
            usual(info);
        }
    }));
}

#[test]
fn everything_ends_as_the_page_says() {
    hide_expected_panics();
    let (kinds, page) = (all_kinds(), read_page());
    let mut wrong = page
        .check(&kinds.iter().map(|kind| kind.name).collect::<Vec<_>>(), &ENDINGS.map(|ending| ending.name));
    let cells = play_all();
    if std::env::var_os("MF_ASYNC_SHOW_ENDS").is_some() {
        println!("{}", Page::draw(&kinds, &cells));
    }
    for ((kind, ending), ends) in cells {
        let (kind, ending) = (kinds[kind].name, ENDINGS[ending].name);
        let Some(said) = page.cell(kind, ending) else { continue };
        for (flavor, ended) in ends {
            // Where two ends race, the page names both.
            let is_so = if ended == "-" {
                said.starts_with('-')
            } else {
                said.split(" or ").any(|said| said == ended)
            };
            if !is_so {
                wrong.push(format!("{kind} / {ending}, {flavor:?}: {ended}, and the page says {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
