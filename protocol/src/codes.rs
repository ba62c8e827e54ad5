//! The codes that tell why a message failed or a session was reset (`docs/protocol.md`).

/// The function returned an error.
pub const FAILED: &str = "failed";
/// The function panicked.
pub const PANICKED: &str = "panicked";
/// Nobody offers the function.
pub const UNKNOWN_FUNCTION: &str = "unknown-function";
/// The message names no function where one is needed.
pub const NO_FUNCTION: &str = "no-function";
/// Every host that took the message was lost.
pub const LOST: &str = "lost";
/// The message's time was over.
pub const TIMEOUT: &str = "timeout";
/// The job was cancelled.
pub const CANCELLED: &str = "cancelled";
/// The payload is larger than the node takes.
pub const TOO_LARGE: &str = "too-large";
/// A hook of the node returned an error or panicked.
pub const HOOK_FAILED: &str = "hook-failed";
/// A rerun gave fewer results than were already passed on.
pub const INCONSISTENT: &str = "inconsistent";
/// The message has passed too many nodes.
pub const LOOP: &str = "loop";
/// The message names another server than the one that runs functions itself.
pub const WRONG_SERVER: &str = "wrong-server";
/// Nobody follows the topic that the result was published under.
pub const UNFOLLOWED: &str = "unfollowed";

/// The grant of the client does not allow it.
pub const REFUSED: &str = "refused";

/// Reset: records came from a connection that said no Hello. Connect anew.
pub const RESET_UNKNOWN: &str = "unknown";
/// Reset: the peer broke the protocol. Connect anew.
pub const RESET_VIOLATION: &str = "violation";
/// Reset: nothing was heard from the peer for too long. Connect anew.
pub const RESET_SILENT: &str = "silent";
/// Reset: the node is ending. Connect anew, later.
pub const RESET_DRAINING: &str = "draining";
/// Reset, final: the same peer said Hello on another connection.
pub const RESET_REPLACED: &str = "replaced";
/// Reset, final: the versions do not fit.
pub const RESET_VERSION: &str = "version";
/// Reset, final: the node refuses the peer.
pub const RESET_REFUSED: &str = "refused";

/// Whether a peer that was reset with this code must not try again by itself.
pub fn is_final(reset: &str) -> bool {
    matches!(reset, RESET_VERSION | RESET_REFUSED | RESET_REPLACED)
}
