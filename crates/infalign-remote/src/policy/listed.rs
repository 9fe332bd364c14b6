//! Jobs of one request each: every one's answer, or that it is to be listed as missing.

use serde_json::Value;

use super::{
    open::RemotePolicy,
    sample::{MissingPrompt, SampleError},
};
use crate::{error::Error, wire::Request};

impl RemotePolicy {
    /// Every job's answer with its id, or that it is missing; a server that refuses all ends it.
    pub(super) fn listed<J, T, E>(
        &self,
        jobs: impl IntoIterator<Item = J>,
        request: impl Fn(&J) -> Request,
        read: impl Fn(&J, Value) -> Result<T, String>,
        id: impl Fn(J) -> String,
        mut each: impl FnMut(Result<(String, T), MissingPrompt>) -> Result<(), E>,
    ) -> Result<(), SampleError<E>> {
        self.client().all(jobs, request, read, |job, end| {
            let prompt_id = id(job);
            let end = match end {
                Err(given_up) if given_up.fault.is_for_all() => {
                    return Err(Error::Server(given_up).into());
                }
                Err(given_up) => Err(MissingPrompt {
                    prompt_id,
                    given_up,
                }),
                Ok(answer) => Ok((prompt_id, answer)),
            };
            each(end).map_err(SampleError::Each)
        })
    }
}
