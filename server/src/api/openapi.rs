//! The description of what is served: a file, and the added routes beside what is in it.

use super::route::{BUILT_IN, Route};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What is served without added routes.
const FIXED: &[u8] = include_bytes!("openapi.json");

/// The same for these routes, of which the first `built_in` are in the file, if they are served at all; each of the
/// others is described as the built-in one that answers as it does. What is passed through cannot be described.
pub(super) fn describe(routes: &[Route], built_in: usize) -> Cow<'static, [u8]> {
    if routes.len() == BUILT_IN.len() && built_in == routes.len() && routes.iter().all(Route::fails_as_built_in) {
        return Cow::Borrowed(FIXED);
    }
    let Ok(mut description) = serde_json::from_slice::<Value>(FIXED) else { return Cow::Borrowed(FIXED) };
    let models = description["paths"].clone();
    if let Some(paths) = description["paths"].as_object_mut() {
        paths.retain(|path, _| BUILT_IN.iter().all(|(known, _)| known != path));
    }
    for (place, route) in routes.iter().enumerate() {
        let mut item = models[format!("/api/{}", route.strategy.as_str())].clone();
        for method in ["get", "head"] {
            if place >= built_in {
                item[method]["operationId"] = json!(format!("{method} {}", route.path)); // unique, as it has to be
            }
            describe_failure(&mut item[method]["responses"], method, route);
        }
        description["paths"][&route.path] = item;
    }
    Cow::Owned(description.to_string().into_bytes())
}

/// With a failure status, `200` is a success, and the failure has its own row in place of another.
fn describe_failure(responses: &mut Value, method: &str, route: &Route) {
    let Some(status) = route.failure_status else { return };
    let Some(responses) = responses.as_object_mut() else { return };
    if !route.strategy.is_for_first() {
        responses.remove("502");
    } else if let Some(success) = responses.get_mut("200") {
        success["description"] = json!("The first success.");
        if let Some(json) = success["content"]["application/json"].as_object_mut() {
            json["examples"].as_object_mut().map(|examples| examples.remove("failure"));
        } else {
            success.as_object_mut().map(|success| success.remove("content"));
        }
    }
    let failed = "Every attempt failed.";
    let response = match method {
        "get" => json!({
            "description": failed,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }),
        _ => json!({ "description": failed }),
    };
    responses.insert(status.to_string(), response);
}
