//! The one place where errors become gRPC statuses.

use tonic::{Code, Status, metadata::MetadataValue};
use tracing::error;

use crate::{escape, journal::AppendError, store::StoreError};

/// A field of a request does not hold what it may hold.
///
/// `found` is shown to the caller; control characters in it are escaped, because it ends up in terminals.
pub(crate) fn invalid(field: &str, found: &str, allowed: &str) -> Status {
    let found = escape::message(found, 100);
    Status::invalid_argument(format!("{field}: {allowed}, found {found}"))
}

/// There is nothing with this id.
pub(crate) fn not_found(what: &str, id: &str) -> Status {
    Status::not_found(format!("there is no {what} {id}"))
}

/// A batch was not taken. All of these may be tried again.
pub(crate) fn of_append(error: &AppendError) -> Status {
    let code = match error {
        AppendError::Busy | AppendError::Full => Code::ResourceExhausted,
        AppendError::Unavailable => Code::Unavailable,
    };
    let mut status = Status::new(code, error.to_string());
    // Read by gRPC clients that retry by themselves. Source: gRPC proposal A6, "Pushback".
    let pause = MetadataValue::from_static("1000");
    status.metadata_mut().insert("grpc-retry-pushback-ms", pause);
    status
}

/// The store did not answer. What is wrong inside goes to the log, not to the caller.
pub(crate) fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Deadline(_) => {
            Status::deadline_exceeded(format!("{error}: narrow the filter, for example with since"))
        }
        StoreError::Retry(_) | StoreError::Outdated => {
            error!(error = error as &dyn std::error::Error, "A query failed.");
            Status::unavailable("the store does not respond, try again")
        }
        StoreError::Gap { .. } | StoreError::Fatal(_) => {
            error!(error = error as &dyn std::error::Error, "A query failed.");
            Status::internal("the store failed, see the log of the service")
        }
    }
}
