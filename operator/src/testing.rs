//! An API server that follows a script: for failures and races that a real one does not show on demand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

pub(crate) mod programs;

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// A server-side apply, which makes what is not there.
    pub(crate) applies: bool,
    pub(crate) body: Value,
}

/// A client whose requests `answer` answers with a status code and a body.
pub(crate) fn scripted<F, A>(answer: F) -> Client
where
    F: Fn(Asked) -> A + Clone + Send + 'static,
    A: Future<Output = (u16, Value)> + Send + 'static,
{
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.expect("body");
            let kind = head.headers.get(http::header::CONTENT_TYPE);
            let asked = Asked {
                applies: kind.is_some_and(|kind| kind == "application/apply-patch+yaml"),
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
            };
            let (code, body) = answer(asked).await;
            let body = Body::from(body.to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("response"))
        }
    });
    Client::new(service, "voip")
}

/// An answer that refuses.
pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message});
    (code, body)
}

/// Objects by path, with resource versions that must match, as a real server keeps them.
#[derive(Clone, Default)]
pub(crate) struct Store {
    inner: Arc<Mutex<Objects>>,
}

#[derive(Default)]
struct Objects {
    by_path: BTreeMap<String, Value>,
    version: u64,
    writes: u32,
}

impl Store {
    pub(crate) fn client(&self) -> Client {
        let store = self.clone();
        scripted(move |asked| {
            let answer = store.answer(&asked);
            async move { answer }
        })
    }

    pub(crate) fn writes(&self) -> u32 {
        self.objects().writes
    }

    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.objects().by_path.get(path).cloned()
    }

    /// Deletes behind everybody's back.
    pub(crate) fn remove(&self, path: &str) {
        self.objects().by_path.remove(path);
    }

    /// Writes behind everybody's back.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.objects().write(path, object);
    }

    pub(crate) fn answer(&self, asked: &Asked) -> (u16, Value) {
        let mut objects = self.objects();
        match asked.method {
            Method::GET => match objects.by_path.get(&asked.path) {
                Some(object) => (200, object.clone()),
                None => refusal(404, "NotFound", "not found"),
            },
            Method::POST => {
                let path = format!("{}/{}", asked.path, text(&asked.body["metadata"]["name"]));
                if objects.by_path.contains_key(&path) {
                    return refusal(409, "AlreadyExists", "already exists");
                }
                (201, objects.write(&path, asked.body.clone()))
            }
            Method::PUT => match objects.by_path.get(&asked.path) {
                None => refusal(404, "NotFound", "not found"),
                Some(now) if version(now) != version(&asked.body) => {
                    refusal(409, "Conflict", "the object has been modified")
                }
                Some(_) => (200, objects.write(&asked.path, asked.body.clone())),
            },
            Method::DELETE => objects.delete(asked),
            Method::PATCH => objects.patch(asked),
            _ => refusal(405, "MethodNotAllowed", "not in the script"),
        }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects {
    fn write(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        self.writes += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.by_path.insert(path.to_owned(), object.clone());
        object
    }
}

impl Objects {
    /// Honours preconditions, as a real server does.
    fn delete(&mut self, asked: &Asked) -> (u16, Value) {
        let Some(now) = self.by_path.get(&asked.path) else { return refusal(404, "NotFound", "not found") };
        let only = &asked.body["preconditions"];
        let meant = |field: &str| only[field].is_null() || only[field] == now["metadata"][field];
        if !meant("uid") || !meant("resourceVersion") {
            return refusal(409, "Conflict", "the precondition does not hold");
        }
        self.writes += 1;
        (200, self.by_path.remove(&asked.path).unwrap_or_default())
    }

    /// Merges, and makes the object where an apply finds none. A subresource is part of its object. A UID is a
    /// precondition.
    fn patch(&mut self, asked: &Asked) -> (u16, Value) {
        let path = asked.path.trim_end_matches("/status").to_owned();
        let now = self.by_path.get(&path).cloned();
        let (meant, found) =
            (&asked.body["metadata"]["uid"], now.as_ref().map(|now| &now["metadata"]["uid"]));
        match found {
            None if !asked.applies => return refusal(404, "NotFound", "not found"),
            Some(found) if !meant.is_null() && found != meant => {
                return refusal(409, "Conflict", "the UID in the precondition is another one");
            }
            _ => {}
        }
        let mut object = now.unwrap_or_else(|| json!({}));
        if let Ok(steps) = serde_json::from_value::<json_patch::Patch>(asked.body.clone()) {
            if let Err(error) = json_patch::patch(&mut object, &steps) {
                return refusal(422, "Invalid", &error.to_string());
            }
        } else {
            merge(&mut object, &asked.body);
        }
        (200, self.write(&path, object))
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("object").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn version(object: &Value) -> &str {
    text(&object["metadata"]["resourceVersion"])
}
