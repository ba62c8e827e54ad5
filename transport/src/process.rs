//! What a process inherits and what others in it change: it keeps its promises whatever it was started with.
#![allow(unsafe_code)]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// Whoever started this process, it hears its signals and the ends of its children, and can use the files that it makes: no signal
/// is blocked, SIGTERM and SIGCHLD are not ignored, and the umask leaves the owner everything. SIGINT and SIGHUP stay ignored where
/// they were: so a shell lets a program go on in the background, and `nohup` after it.
///
/// Call it first, and again when foreign code has run on the main thread, before other threads inherit what that left; the umask is then
/// that of the first time.
pub fn settle_process() {
    // SAFETY: the set is initialized before it is used, and every call is given valid pointers; none can fail but for a wrong number.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
    restore_umask();
    for signal in [libc::SIGTERM, libc::SIGCHLD] {
        if let Some(action) = action(signal).filter(drops) {
            set(signal, &libc::sigaction { sa_sigaction: libc::SIG_DFL, sa_flags: 0, ..action });
        }
    }
}

/// Whether a signal is ignored, as `nohup` leaves SIGHUP, and a shell SIGINT where it starts a program in the background. Who
/// listens to such a signal undoes what was asked for.
pub fn is_ignored(signal: i32) -> bool {
    action(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_IGN)
}

/// How this process takes the signals that it needs, and how many files it may open, to be put back when foreign code has changed that; and
/// with these, the umask that [`settle_process`] left.
pub struct ProcessState {
    signals: Vec<(libc::c_int, libc::sigaction)>,
    /// The most open files; `None` is no limit.
    files: Option<u64>,
}

impl ProcessState {
    /// As it is now.
    pub fn now() -> Self {
        let needed = [libc::SIGTERM, libc::SIGINT, libc::SIGPIPE, libc::SIGCHLD];
        let signals = needed.iter().filter_map(|&signal| Some((signal, action(signal)?))).collect();
        ProcessState { signals, files: getrlimit(Resource::Nofile).current }
    }

    /// Puts back what was changed, and tells what that was, for a sentence.
    pub fn restore(&self) -> impl Iterator<Item = &'static str> {
        let signals = self.restore_signals().then_some("how this process takes signals");
        let files = self.restore_files().then_some("the limit of open files");
        let umask = restore_umask().then_some("the umask");
        signals.into_iter().chain(files).chain(umask)
    }

    /// A handler for the ends of children is left as it is: it takes nothing from whoever waits for a child.
    fn restore_signals(&self) -> bool {
        let mut any = false;
        for (signal, wanted) in &self.signals {
            let Some(now) = action(*signal) else { continue };
            let is_changed = match *signal {
                libc::SIGCHLD => drops(&now) && !drops(wanted),
                _ => now.sa_sigaction != wanted.sa_sigaction,
            };
            if is_changed {
                set(*signal, wanted);
                any = true;
            }
        }
        any
    }

    fn restore_files(&self) -> bool {
        let now = getrlimit(Resource::Nofile);
        let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        most(now.current) < most(self.files)
            && setrlimit(Resource::Nofile, Rlimit { current: self.files, ..now }).is_ok()
    }
}

/// Puts the umask back that this process was started with, but for what it keeps from the owner; whether it was another one.
fn restore_umask() -> bool {
    static INHERITED: OnceLock<libc::mode_t> = OnceLock::new();
    // SAFETY: it takes any number, and cannot fail.
    let set = |umask| unsafe { libc::umask(umask) };
    let inherited = *INHERITED.get_or_init(|| set(0o077) & 0o077);
    set(inherited) != inherited
}

/// Whether a signal, or the word of a child's end, is thrown away.
fn drops(action: &libc::sigaction) -> bool {
    action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0
}

/// What is done on a signal.
fn action(signal: libc::c_int) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: it is written where the pointer says, and read only when the call says that it was.
    unsafe { (libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0).then(|| action.assume_init()) }
}

fn set(signal: libc::c_int, action: &libc::sigaction) {
    // SAFETY: the action is the system's default, or one that this process had before.
    unsafe {
        libc::sigaction(signal, action, ptr::null_mut());
    }
}
