//! Plays the sound of a media file into a counter, and awaits the events of the media session on the way.
//! Run it on Windows with `cargo run --example session_events -- C:\Windows\Media\tada.wav`.

#[cfg(windows)]
#[path = "session_events/windows.rs"]
mod imp;

#[cfg(not(windows))]
mod imp {
    pub(crate) fn main() -> mf_async::Result<()> {
        println!("the media session is a part of Windows; see the example `event_loop` for other systems");
        Ok(())
    }
}

fn main() -> mf_async::Result<()> {
    imp::main()
}
