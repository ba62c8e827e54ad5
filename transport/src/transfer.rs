//! Receiving and sending of whole multiparts.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;

use zmq_sys::errno;

use crate::error::{from_errno, last_errno};
use crate::{Frame, Frames, SendError, Socket};

impl Socket {
    /// Takes one whole multipart, if one waits, in place of what `into` held. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// When this kind of socket does not receive, or not now.
    #[inline]
    pub fn recv(&self, into: &mut Frames) -> io::Result<bool> {
        into.clear();
        loop {
            let mut frame = Frame::empty();
            match self.recv_part(&mut frame) {
                Ok(()) => {}
                Err(errno::EAGAIN) if into.is_empty() => return Ok(false),
                Err(number) => {
                    into.clear();
                    return Err(from_errno(number));
                }
            }
            let more = frame.has_more();
            into.push(frame);
            if !more {
                return Ok(true);
            }
        }
    }

    #[inline]
    fn recv_part(&self, frame: &mut Frame) -> Result<(), i32> {
        loop {
            // SAFETY: socket and message are alive, and this thread is the socket's.
            let outcome = unsafe {
                zmq_sys::zmq_msg_recv(frame.as_raw(), self.raw.as_ptr(), zmq_sys::ZMQ_DONTWAIT as c_int)
            };
            if outcome >= 0 {
                return Ok(());
            }
            match last_errno() {
                errno::EINTR => {}
                number => return Err(number),
            }
        }
    }

    /// Hands over `frames` as one multipart, all or nothing: afterwards they are empty, or on an error all still
    /// there. A message handed over is not yet delivered; what a peer had not read when it died is lost with it.
    ///
    /// A peer of a PUSH or DEALER may go while its multipart is being written. libzmq then drops the parts it had; this
    /// function puts them back and reports [`SendError::Full`], as the socket may have other peers by the next attempt.
    /// With three peers or more, libzmq 4.3.5 can at that moment give the rest of the multipart to another peer (it
    /// mistakes their places in `lb_t::pipe_terminated`). So give each peer a socket of its own, use a ROUTER, send
    /// single frames, or let the receiver count frames.
    ///
    /// # Errors
    ///
    /// [`SendError`] says whether to try again later, to choose another peer, or to give up. No frames at all are
    /// an invalid message.
    #[inline]
    pub fn send(&self, frames: &mut Frames) -> Result<(), SendError> {
        if frames.len() > 1 && self.kind.may_break_off() {
            return self.send_keeping(frames);
        }
        let Some(last) = frames.len().checked_sub(1) else {
            return Err(SendError::Other(io::ErrorKind::InvalidInput.into()));
        };
        for (index, frame) in frames.iter_mut().enumerate() {
            self.send_part(frame, index < last).map_err(SendError::from_errno)?;
        }
        frames.clear();
        Ok(())
    }

    /// Sends with a second reference to each part but the last, from which the multipart is put together again when
    /// its pipe breaks.
    fn send_keeping(&self, frames: &mut Frames) -> Result<(), SendError> {
        let mut kept = self.handed_over.borrow_mut();
        let last = frames.len() - 1;
        let mut outcome = Ok(());
        for index in 0..=last {
            let frame = &mut frames[index];
            if index < last {
                kept.push(frame.share());
            }
            if let Err(number) = self.send_part(frame, index < last) {
                if index > 0 && index < last && self.kind.drops_the_rest() {
                    self.end_dropping();
                }
                for (frame, part) in frames[..index].iter_mut().zip(kept.drain(..)) {
                    *frame = part;
                }
                outcome = Err(SendError::from_errno(number));
                break;
            }
        }
        kept.clear();
        if outcome.is_ok() {
            frames.clear();
        }
        outcome
    }

    /// Gives libzmq the last part that it waits for, and drops, after a multipart broke off before its last part.
    #[cold]
    fn end_dropping(&self) {
        // Cannot be refused: it is dropped before any peer is looked for.
        let _ = self.send_part(&mut Frame::empty(), false);
    }

    /// Hands over one frame as a whole message.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`], with the frame.
    #[inline]
    pub fn send_one(&self, mut frame: Frame) -> Result<(), (SendError, Frame)> {
        match self.send_part(&mut frame, false) {
            Ok(()) => Ok(()),
            Err(number) => Err((SendError::from_errno(number), frame)),
        }
    }

    #[inline]
    fn send_part(&self, frame: &mut Frame, more: bool) -> Result<(), i32> {
        let flags = zmq_sys::ZMQ_DONTWAIT | if more { zmq_sys::ZMQ_SNDMORE } else { 0 };
        loop {
            // SAFETY: socket and message are alive, and this thread is the socket's. On success libzmq leaves an
            // empty message behind, on failure the message as it was.
            let outcome = unsafe { zmq_sys::zmq_msg_send(frame.as_raw(), self.raw.as_ptr(), flags as c_int) };
            if outcome >= 0 {
                return Ok(());
            }
            match last_errno() {
                errno::EINTR => {}
                number => return Err(number),
            }
        }
    }
}
