//! Several calls in one, as [Eric Kidd's proposal](http://mirrors.talideon.com/articles/multicall.html) has it and
//! every server of note does it: one array of structs there, one array back, each result in an array of its own and
//! each fault bare.

use super::fault::Fault;
use super::reply::fault;
use crate::error::Error;
use dxr::Value;
use std::collections::BTreeMap;

/// The one parameter of `system.multicall`.
pub(super) fn param(calls: &[(&str, &[Value])]) -> Value {
    let call = |(method, params): &(&str, &[Value])| {
        let name = Value::String((*method).to_owned());
        let params = Value::Array(params.to_vec());
        Value::Struct(BTreeMap::from([("methodName".to_owned(), name), ("params".to_owned(), params)]))
    };
    Value::Array(calls.iter().map(call).collect())
}

/// What came of `count` calls.
pub(super) fn results(value: Value, count: usize) -> Result<Vec<Result<Value, Fault>>, Error> {
    let Value::Array(results) = value else {
        return Err(Error::XmlRpc("the results of several calls are not an array".to_owned()));
    };
    if results.len() != count {
        return Err(Error::XmlRpc(format!("{} results of {count} calls", results.len())));
    }
    results.into_iter().map(result).collect()
}

fn result(value: Value) -> Result<Result<Value, Fault>, Error> {
    match value {
        Value::Array(mut values) if values.len() == 1 => Ok(Ok(values.swap_remove(0))),
        Value::Struct(_) => fault(value).map(Err),
        _ => Err(Error::XmlRpc("one of several results is neither an array of one nor a fault".to_owned())),
    }
}
