//! Forms of other sites are refused.
//!
//! A browser that visits a page gets a random token as a cookie (`SameSite=Strict`), and every form repeats it:
//! other sites can neither read the one nor set the other. Browsers that tell where a request comes from
//! (`Sec-Fetch-Site`) are believed before. Nothing is kept on the server, so that any of several may answer.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::error::PageError;

const COOKIE: &str = "csrf";

/// Bytes of randomness; twice as many hexadecimal digits.
const TOKEN_BYTES: usize = 32;

/// What the forms of one browser carry.
#[derive(Debug, Clone)]
pub(super) struct Token {
    text: String,
    /// Whether the browser had it already: only then a form can have it too.
    known: bool,
}

impl Token {
    fn of(headers: &HeaderMap) -> Result<Self, PageError> {
        match cookie(headers) {
            Some(text) => Ok(Self { text: text.to_owned(), known: true }),
            None => {
                let mut bytes = [0; TOKEN_BYTES];
                getrandom::fill(&mut bytes).map_err(|error| PageError::Broken(error.to_string()))?;
                Ok(Self { text: bytes.iter().map(|byte| format!("{byte:02x}")).collect(), known: false })
            }
        }
    }

    /// What a form repeats.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Fails unless a form of ours sent `repeated`.
    pub(super) fn check(&self, repeated: &str) -> Result<(), PageError> {
        let same = self.text.as_bytes().ct_eq(repeated.as_bytes());
        if self.known && bool::from(same) { Ok(()) } else { Err(PageError::ForeignForm) }
    }
}

/// The token of a browser that sent one as we make them.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (value.len() == 2 * TOKEN_BYTES && value.bytes().all(is_digit)).then_some(value)
}

/// Gives every request its [`Token`], and a browser without one the cookie.
pub(super) async fn protect(mut request: Request, next: Next) -> Result<Response, PageError> {
    let changes = !request.method().is_safe();
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if changes && site.is_some_and(|site| site != b"same-origin") {
        return Err(PageError::ForeignForm);
    }
    let token = Token::of(request.headers())?;
    let cookie = (!token.known && !changes)
        .then(|| format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", token.text))
        .and_then(|cookie| HeaderValue::try_from(cookie).ok());
    request.extensions_mut().insert(token);
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(cookies: &[&str]) -> Token {
        let values = cookies.iter().map(|value| (header::COOKIE, HeaderValue::from_str(value).unwrap()));
        Token::of(&values.collect()).unwrap()
    }

    #[test]
    fn a_token_is_what_the_cookie_says_among_others() {
        let mine = "0123456789abcdef".repeat(4);
        for cookies in [
            vec![format!("csrf={mine}")],
            vec![format!("a=b; csrf={mine};c=d")],
            vec!["x=y".into(), format!("csrf={mine}")],
        ] {
            let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
            let token = token(&cookies);
            assert_eq!(token.text(), mine, "{cookies:?}");
            assert!(token.check(&mine).is_ok());
        }
    }

    #[test]
    fn no_other_value_passes() {
        let mine = "0123456789abcdef".repeat(4);
        let known = token(&[&format!("csrf={mine}")]);
        for other in ["", "0", &mine[1..], &mine.to_uppercase(), &format!("{mine}0")] {
            assert!(known.check(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_browser_without_a_good_cookie_gets_a_token_that_no_form_has_yet() {
        let long = "0".repeat(65);
        for cookies in
            ["", "csrf=", "csrf", "csrf=abc", "xcsrf=00", &format!("csrf={long}"), &format!("csrf={}", "G".repeat(64))]
        {
            let token = token(&[cookies]);
            assert_eq!(token.text().len(), 64);
            assert!(token.check(token.text()).is_err(), "{cookies}");
        }
        assert_ne!(token(&[]).text(), token(&[]).text());
    }
}
