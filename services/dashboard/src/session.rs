//! Signing in and out: a token becomes a cookie that no script can read and no other site can have sent.

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use llm_sre_mesh::access::{Access, Identity, Role, SESSION_COOKIE};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::TraceUrl;
use crate::page::text;

/// Where a browser asks who is signed in (GET), signs in with a token as `authorization: Bearer …` (POST), and out
/// (DELETE).
pub(crate) const PATH: &str = "/session";

/// How long a browser keeps the token, in seconds: a shift on call. The token itself lives until the configuration lets go
/// of it.
const KEPT_S: u32 = 12 * 3_600;

/// Who may sign in, and what those who are in are told.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) access: Access,
    /// Where traces are shown.
    pub(crate) trace_url: Option<TraceUrl>,
}

impl Sessions {
    /// See [`PATH`].
    pub(crate) fn answer(&self, method: &Method, headers: &HeaderMap, uri: &Uri) -> Response<Body> {
        if let Err(refused) = self.access.check_browser(headers, uri) {
            return refusal(&refused);
        }
        match *method {
            Method::GET => {
                self.access.identify(headers).map_or_else(|refused| refusal(&refused), |who| self.told(&who))
            }
            Method::POST => self.sign_in(headers),
            Method::DELETE => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                keep(&mut response, "", 0, false);
                response
            }
            _ => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE are answered here\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
                response
            }
        }
    }

    fn sign_in(&self, headers: &HeaderMap) -> Response<Body> {
        // Only what was just typed counts, and not the cookie of before.
        let mut shown = HeaderMap::new();
        shown.extend(headers.get(AUTHORIZATION).cloned().map(|token| (AUTHORIZATION, token)));
        let who = match self.access.identify(&shown) {
            Ok(who) => who,
            Err(refused) => return refusal(&refused),
        };
        let is_person = matches!(who.role, Role::Viewer | Role::Approver | Role::Admin);
        if !is_person && self.access.asks() {
            let reason = format!("the role {} is for programs, not for people", who.role);
            return refusal(&Status::permission_denied(reason));
        }
        let mut response = self.told(&who);
        let token = shown.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
        // What ends TLS in front of this port passes on where the page came from.
        let is_secure = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
        let token = token.and_then(|token| token.split_once(' ')).filter(|_| self.access.asks());
        if let Some((_, token)) = token {
            keep(&mut response, token.trim(), KEPT_S, is_secure);
        }
        response
    }

    fn told(&self, who: &Identity) -> Response<Body> {
        // Names are of a-z, 0-9 and a few signs that JSON leaves as they are, and so are addresses of traces.
        let role = if self.access.asks() { who.role.as_str() } else { Role::Admin.as_str() };
        let trace_url = self.trace_url.as_ref().map(|url| format!(",\"traceUrl\":\"{}\"", url.as_str()));
        let (actor, signed_in, trace_url) = (&who.actor, who.is_signed_in(), trace_url.unwrap_or_default());
        json(
            StatusCode::OK,
            format!("{{\"actor\":\"{actor}\",\"role\":\"{role}\",\"signedIn\":{signed_in}{trace_url}}}"),
        )
    }
}

/// Sets the cookie. Without TLS there is no way to keep it from whoever reads the wire, as `docs/access.md` says.
fn keep(response: &mut Response<Body>, token: &str, seconds: u32, is_secure: bool) {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // What was known as a token is text of a header.
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

fn refusal(refused: &Status) -> Response<Body> {
    match refused.code() {
        Code::Unauthenticated => text(StatusCode::UNAUTHORIZED, "no token that is known here\n"),
        _ => text(StatusCode::FORBIDDEN, "this is not allowed from here, or not with this token\n"),
    }
}

fn json(status: StatusCode, said: String) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(Bytes::from(said))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use llm_sre_mesh::access::{Token, TokenHash};

    use super::*;

    const SECRET: &str = "llmsre_0123456789abcdef0123456789abcdef";

    fn access(role: Role) -> Access {
        Access::new(vec![Token { name: "alice".to_owned(), role, sha256: TokenHash::of(SECRET) }], Vec::new()).unwrap()
    }

    const TRACE_URL: &str = "http://127.0.0.1:16686/trace/{trace_id}";

    fn ask(access: &Access, method: &Method, headers: &[(&'static str, &str)]) -> Response<Body> {
        let mut all = HeaderMap::new();
        for (name, value) in [("host", "127.0.0.1:8080")].iter().chain(headers) {
            all.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let sessions = Sessions { access: access.clone(), trace_url: Some(TRACE_URL.parse().unwrap()) };
        sessions.answer(method, &all, &Uri::from_static("/session"))
    }

    #[test]
    fn a_token_becomes_a_cookie_that_only_this_site_sends() {
        let access = access(Role::Approver);
        let bearer = format!("Bearer {SECRET}");
        let response = ask(&access, &Method::POST, &[("authorization", &bearer)]);
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        assert_eq!(ask(&access, &Method::GET, &[("cookie", pair)]).status(), StatusCode::OK);
        let out = ask(&access, &Method::DELETE, &[("cookie", pair)]);
        assert!(out.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn who_has_no_token_of_a_person_is_not_signed_in() {
        let bearer = format!("Bearer {SECRET}");
        for (role, token, expected) in [
            (Role::Viewer, "Bearer llmsre_another", StatusCode::UNAUTHORIZED),
            (Role::Viewer, "", StatusCode::UNAUTHORIZED),
            (Role::Sender, &bearer, StatusCode::FORBIDDEN),
            (Role::Service, &bearer, StatusCode::FORBIDDEN),
        ] {
            let response = ask(&access(role), &Method::POST, &[("authorization", token)]);
            assert_eq!(response.status(), expected, "{role} {token}");
            assert!(!response.headers().contains_key(SET_COOKIE));
        }
        let elsewhere =
            ask(&access(Role::Viewer), &Method::POST, &[("authorization", &bearer), ("origin", "http://evil")]);
        assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    }

    async fn body(response: Response<Body>) -> String {
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn who_is_in_is_told_where_traces_are_shown_and_nobody_else() {
        let bearer = format!("Bearer {SECRET}");
        let shown = ask(&access(Role::Viewer), &Method::GET, &[("authorization", &bearer)]);
        let told = body(shown).await;
        let expected =
            format!("{{\"actor\":\"alice\",\"role\":\"viewer\",\"signedIn\":true,\"traceUrl\":\"{TRACE_URL}\"}}");
        assert_eq!(told, expected);
        let refused = body(ask(&access(Role::Viewer), &Method::GET, &[])).await;
        assert!(!refused.contains("16686"), "{refused}");
        let nowhere = Sessions { access: Access::default(), trace_url: None };
        let host = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("127.0.0.1:8080"))]);
        let told = body(nowhere.answer(&Method::GET, &host, &Uri::from_static("/session"))).await;
        assert!(told.contains("\"signedIn\":false}"), "without an address there is none: {told}");
    }

    #[test]
    fn where_nobody_is_asked_everybody_may_do_all_that_people_may() {
        assert_eq!(ask(&Access::default(), &Method::GET, &[]).status(), StatusCode::OK);
    }
}
