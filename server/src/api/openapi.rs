//! The description of what is served: a file, and the added routes beside what is in it.

use super::route::Route;
use serde_json::{Value, json};
use std::borrow::Cow;

/// What is served without added routes.
const FIXED: &[u8] = include_bytes!("openapi.json");

/// The same with `added` routes, each described as the built-in one that answers as it does.
pub(super) fn describe(added: &[Route]) -> Cow<'static, [u8]> {
    if added.is_empty() {
        return Cow::Borrowed(FIXED);
    }
    let Ok(mut description) = serde_json::from_slice::<Value>(FIXED) else { return Cow::Borrowed(FIXED) };
    for route in added {
        let model = format!("/api/{}", route.strategy.as_str());
        let mut item = description["paths"][&model].clone();
        for method in ["get", "head"] {
            item[method]["operationId"] = json!(format!("{method} {}", route.path)); // unique, as it has to be
        }
        description["paths"][&route.path] = item;
    }
    Cow::Owned(description.to_string().into_bytes())
}
