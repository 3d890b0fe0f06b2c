//! The bearer token before the API (RFC 6750 section 2.1), from a file that may be replaced.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use subtle::ConstantTimeEq;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The file cannot be read.
    #[error("--api-token {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says nothing: anybody could know that.
    #[error("--api-token {}: the file is empty", .0.display())]
    Empty(PathBuf),
}

/// The token that a client must have.
pub(crate) struct Token {
    path: PathBuf,
    /// As last read.
    good: Mutex<Vec<u8>>,
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
}

impl Token {
    /// Reads it for the first time.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, TokenError> {
        let good = Mutex::new(read(path)?);
        Ok(Arc::new(Self { path: path.to_owned(), good }))
    }

    /// Whether `authorization` has it. The file is read each time, so that a new token holds at once; one that cannot be
    /// read, or is empty, leaves the last.
    fn permits(&self, authorization: &[u8]) -> bool {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(fresh) = read(&self.path) {
            *good = fresh;
        }
        bearer(authorization).is_some_and(|given| given.ct_eq(&good).into())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TokenError> {
    let text = std::fs::read(path).map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
    let token = text.trim_ascii().to_vec();
    if token.is_empty() { Err(TokenError::Empty(path.to_owned())) } else { Ok(token) }
}

/// The credentials of the scheme `Bearer`, whose name has no case (RFC 9110 section 11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Lets a request through that has the token; 401 with a JSON body for others.
pub(super) async fn require(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| token.permits(given.as_bytes())) {
        return next.run(request).await;
    }
    let body = Json(ErrorBody { error: "a valid bearer token is needed" });
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_the_file_permits() {
        let path = std::env::temp_dir().join(format!("sip-node-token-{}", std::process::id()));
        std::fs::write(&path, "secret\n").unwrap();
        let token = Token::open(&path).unwrap();
        assert!(token.permits(b"Bearer secret") && token.permits(b"bearer  secret "));
        for wrong in ["", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret", "secret"] {
            assert!(!token.permits(wrong.as_bytes()), "{wrong}");
        }
        std::fs::write(&path, "other").unwrap();
        assert!(token.permits(b"Bearer other") && !token.permits(b"Bearer secret"));
        std::fs::write(&path, " \n").unwrap();
        assert!(token.permits(b"Bearer other") && !token.permits(b"Bearer "));
        assert!(matches!(Token::open(&path), Err(TokenError::Empty(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(token.permits(b"Bearer other"));
        assert!(matches!(Token::open(&path), Err(TokenError::Read { .. })));
    }
}
