//! The methods there are: nothing here is changed by a request.

use crate::front::Response;

/// Whether `method` is one of those there are.
pub(crate) fn is_allowed(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

/// The refusal of every other one.
pub(crate) fn method_not_allowed() -> Response {
    Response::problem(405, "only GET and HEAD are understood here").with_header("Allow", "GET, HEAD")
}
