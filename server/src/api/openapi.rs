//! The description of what is served: a fixed file, and the routes beside it.

use super::served::Served;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What is served without routes.
pub(super) const FIXED: &[u8] = include_bytes!("openapi.json");

/// The same with `routes`, each described as the endpoint that answers as it does.
pub(super) fn with_routes(routes: &[Served]) -> Cow<'static, [u8]> {
    let Ok(mut description) = serde_json::from_slice::<Value>(FIXED) else { return Cow::Borrowed(FIXED) };
    for route in routes {
        let model = format!("/api/{}", route.strategy.as_str());
        let mut item = description["paths"][&model].clone();
        for method in ["get", "head"] {
            item[method]["operationId"] = json!(format!("{method} {}", route.path)); // unique, as it has to be
        }
        description["paths"][&route.path] = item;
    }
    Cow::Owned(description.to_string().into_bytes())
}
