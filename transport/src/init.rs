//! The first process of a container has two duties that no other has: it is the parent of all whose own parent has ended, and nobody
//! takes its signals' default actions for it.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use std::io::{self, IsTerminal};
use std::process::{Command, ExitCode};

/// Where this process is the first of a container (process 1 of its namespace), it does the program's work in a child, and stays
/// to do what the first process has to: it buries whoever is left to it, and hands signals on. The child's exit code is given back
/// when the child has ended, 128 and the signal where a signal ended it.
///
/// Anywhere else, and where no child can be started, there is `None`, and the program goes on by itself.
///
/// Call it right behind [`settle_process`](crate::settle_process), while there is only one thread.
pub fn run_below_init() -> Option<ExitCode> {
    if !getpid().is_init() {
        return None;
    }
    // Heard from here on, so that none is missed; the child starts with the default actions.
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT]).ok()?;
    let child = start().ok()?;
    // The terminal sends these to parent and child alike.
    let by_terminal: &[i32] = if io::stdin().is_terminal() { &[SIGINT, SIGQUIT] } else { &[] };
    for signal in signals.forever() {
        match signal {
            SIGCHLD => {
                if let Some(code) = bury(child) {
                    return Some(code);
                }
            }
            signal if by_terminal.contains(&signal) => {}
            signal => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    // Who has ended is buried with the SIGCHLD that follows.
                    let _ = kill_process(child, signal);
                }
            }
        }
    }
    None
}

/// This program once more, with the same arguments, surroundings and files.
fn start() -> io::Result<Pid> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    #[cfg(unix)]
    if let Some(name) = std::env::args_os().next() {
        std::os::unix::process::CommandExt::arg0(&mut command, name);
    }
    Ok(Pid::from_child(&command.spawn()?))
}

/// Takes the ends of all children that have ended. The exit code of `child`, where it is among them.
fn bury(child: Pid) -> Option<ExitCode> {
    let mut code = None;
    while let Ok(Some((who, status))) = wait(WaitOptions::NOHANG) {
        if who == child {
            code = Some(code_of(status));
        }
    }
    code
}

fn code_of(status: WaitStatus) -> ExitCode {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or(0),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
