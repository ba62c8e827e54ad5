//! The results of one call, as they come from the node.

use super::Stage;
use super::load::Admission;
use super::refusal::Refusal;
use axum::body::Bytes;
use pylm_client::{Event, JobResults};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A call under way. Dropped before its end, it is cancelled.
#[derive(Debug)]
pub(super) struct Outputs {
    results: JobResults,
    stages: watch::Receiver<Stage>,
    /// When the node should have ended it, and a little more.
    deadline: Option<Instant>,
    _admission: Admission,
}

impl Outputs {
    pub(super) fn new(
        results: JobResults,
        stages: watch::Receiver<Stage>,
        deadline: Option<Instant>,
        admission: Admission,
    ) -> Self {
        Outputs { results, stages, deadline, _admission: admission }
    }

    /// The next result; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Outputs { results, stages, deadline, .. } = self;
        let late = async {
            match *deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = next_of(results) => result,
            _ = stages.wait_for(|stage| *stage == Stage::Over) => Err(Refusal::ending()),
            () = late => Err(Refusal::late()),
        }
    }
}

async fn next_of(results: &mut JobResults) -> Result<Option<Bytes>, Refusal> {
    let output = results.next().await.map_err(|error| Refusal::client(&error))?;
    let end = match output.map(|output| output.event) {
        Some(Event::Result { payload, .. }) => return Ok(Some(payload)),
        Some(Event::Done { .. }) => Ok(None),
        Some(Event::Failed { code, text, .. }) => Err(Refusal::failed(code, text)),
        // The client has closed the job without an end of its message.
        None => return Err(Refusal::ending()),
    };
    // Nothing follows. Until the job has said so, dropping it would cancel it.
    let _ = results.next().await;
    end
}
