//! Asynchronous results: what is stored in one, what is read from it, and how long it is held.

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::{Log, MULTITHREADED, code, life, name, tells};
use crate::subject::Subject;

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut results = Family::<S>::new("results");
    results.case("fresh_status", "observed: a fresh result has the status S_OK", "S_OK", |mf| {
        name(mf.status(&mf.create_result(None, None, None).expect("a result")))
    });
    results.case("no_state", "IMFAsyncResult::GetState: E_POINTER when there is none", "E_POINTER", |mf| {
        code(&mf.state(&mf.create_result(None, None, None).expect("a result")))
    });
    results.case("no_object", "IMFAsyncResult::GetObject: E_POINTER when there is none", "E_POINTER", |mf| {
        code(&mf.object_of(&mf.create_result(None, None, None).expect("a result")))
    });
    results.case(
        "no_borrowed_state",
        "IMFAsyncResult::GetStateNoAddRef: null when there is none",
        "none",
        |mf| {
            let result = mf.create_result(None, None, None).expect("a result");
            mf.borrowed_state(&result).map_or("none", |_| "some").to_owned()
        },
    );
    results.case(
        "state_and_object",
        "MFCreateAsyncResult: state and object are the caller's and the component's, each read by its own name",
        "state, object, borrowed state",
        |mf| {
            let (object, state) = (mf.object(()), mf.object(()));
            let result = mf.create_result(Some(&object), None, Some(&state)).expect("a result");
            let which = |stored: Option<S::Object>| match stored {
                Some(stored) if mf.same_object(&stored, &state) => "state",
                Some(stored) if mf.same_object(&stored, &object) => "object",
                Some(_) => "another",
                None => "none",
            };
            let (read, private) = (which(mf.state(&result).ok()), which(mf.object_of(&result).ok()));
            format!("{read}, {private}, borrowed {}", which(mf.borrowed_state(&result)))
        },
    );
    results.case(
        "status_is_stored",
        "observed: SetStatus is a plain store; the last value wins",
        "S_OK E_FAIL, S_OK S_OK",
        |mf| {
            let result = mf.create_result(None, None, None).expect("a result");
            let first = code(&mf.set_status(&result, Hresult::E_FAIL));
            let failed = name(mf.status(&result));
            let second = code(&mf.set_status(&result, Hresult::S_OK));
            format!("{first} {failed}, {second} {}", name(mf.status(&result)))
        },
    );
    results.case(
        "success_codes_are_kept",
        "IMFAsyncResult::GetStatus: returns what was set, success codes as well",
        "S_FALSE MF_S_MULTIPLE_BEGIN",
        |mf| {
            let result = mf.create_result(None, None, None).expect("a result");
            let _ = mf.set_status(&result, Hresult::S_FALSE);
            let first = name(mf.status(&result));
            let _ = mf.set_status(&result, Hresult::MF_S_MULTIPLE_BEGIN);
            format!("{first} {}", name(mf.status(&result)))
        },
    );
    results.case(
        "what_is_held",
        "Custom Asynchronous Result Objects: callback, state and object are held from creation until the end",
        "kept kept kept, then released released released",
        |mf| {
            let (callback_kept, callback_life) = life();
            let (state_kept, state_life) = life();
            let (object_kept, object_life) = life();
            let callback = mf.callback(crate::subject::on(MULTITHREADED), move |_| {
                let _kept = &callback_kept;
            });
            let (state, object) = (mf.object(state_kept), mf.object(object_kept));
            let result = mf.create_result(Some(&object), Some(&callback), Some(&state)).expect("a result");
            drop((callback, state, object));
            let now = || format!("{} {} {}", callback_life.now(), state_life.now(), object_life.now());
            let before = now();
            drop(result);
            format!("{before}, then {}", now())
        },
    );
    results.case(
        "state_is_a_reference_of_its_own",
        "IMFAsyncResult::GetState: what is given is the caller's, and outlives the result",
        "kept, then released",
        |mf| {
            let (kept, life) = life();
            let state = mf.object(kept);
            let result = mf.create_result(None, None, Some(&state)).expect("a result");
            let read = mf.state(&result);
            drop((state, result));
            let before = life.now();
            drop(read);
            format!("{before}, then {}", life.now())
        },
    );
    results.case(
        "unused",
        "MFCreateAsyncResult: a result that nobody invokes calls nobody",
        "S_OK, nothing",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells(mf, MULTITHREADED, &log, "called")), None);
            let made = code(&result);
            drop(result);
            crate::facts::pass_through(mf, MULTITHREADED);
            format!("{made}, {}", log.all())
        },
    );
    results
}
