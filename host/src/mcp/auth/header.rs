//! What a request brings to prove whose it is: one header `Authorization`, and
//! nothing else (RFC 6750, section 2.1).

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::reason::Reason;

/// The longest token, in bytes. Tokens with many claims have two thousand.
const MAX_TOKEN: usize = 8 * 1024;

/// Names under which clients put tokens into addresses, which stand in logs of
/// proxies and in histories of browsers (RFC 6750, section 2.3).
const IN_QUERY: [&str; 4] = ["access_token", "token", "api_key", "key"];

/// The key or token of a request.
pub(super) fn credential(request: &Parts) -> Result<&str, Reason> {
    if holds_token(request.uri.query().unwrap_or_default()) {
        return Err(Reason::InQuery);
    }
    let mut headers = request.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(Reason::Missing)?;
    if headers.next().is_some() {
        return Err(Reason::Several);
    }
    let header = header.to_str().map_err(|_shows_it| Reason::Malformed)?;
    bearer(header).ok_or(Reason::Malformed)
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

/// `b64token` of RFC 6750.
fn is_token(token: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let letters = token.trim_end_matches('=');
    !letters.is_empty() && token.len() <= MAX_TOKEN && letters.bytes().all(plain)
}

fn holds_token(query: &str) -> bool {
    let mut parameters = query.split(['&', ';']);
    parameters.any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        IN_QUERY.iter().any(|it| name.eq_ignore_ascii_case(it))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[&str]) -> Parts {
        let mut request = Request::post(uri);
        for header in headers {
            request = request.header(AUTHORIZATION, *header);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn m02_one_header_of_one_form_is_read_and_no_other() {
        for (headers, expected) in [
            (&["Bearer abc"][..], Ok("abc")),
            (&["bEaReR abc.d-e_f~g+h/i=="], Ok("abc.d-e_f~g+h/i==")),
            (&["Bearer   abc"], Ok("abc")),
            (&[], Err(Reason::Missing)),
            (&["Bearer abc", "Bearer abc"], Err(Reason::Several)),
            (&["Bearer abc", "Basic YTpi"], Err(Reason::Several)),
            (&[""], Err(Reason::Malformed)),
            (&["null"], Err(Reason::Malformed)),
            (&["Bearer"], Err(Reason::Malformed)),
            (&["Bearer "], Err(Reason::Malformed)),
            (&["Bearer ="], Err(Reason::Malformed)),
            (&["Bearer a b"], Err(Reason::Malformed)),
            (&["Bearer a,b"], Err(Reason::Malformed)),
            (&["Bearer a=b"], Err(Reason::Malformed)),
            (&["Bearer\tabc"], Err(Reason::Malformed)),
            (&["Basic YTpi"], Err(Reason::Malformed)),
            (&["Token abc"], Err(Reason::Malformed)),
            (&["abc"], Err(Reason::Malformed)),
        ] {
            assert_eq!(credential(&parts("/mcp", headers)), expected, "{headers:?}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN));
        assert!(credential(&parts("/mcp", &[&long])).is_ok());
        let longer = format!("{long}a");
        assert_eq!(
            credential(&parts("/mcp", &[&longer])),
            Err(Reason::Malformed)
        );
    }

    #[test]
    fn m04_a_token_in_the_address_is_refused_whatever_the_header_holds() {
        for query in ["access_token=a", "x=1&Access_Token=a", "a;key=b", "token"] {
            let parts = parts(&format!("/mcp?{query}"), &["Bearer abc"]);
            assert_eq!(credential(&parts), Err(Reason::InQuery), "{query}");
        }
        let parts = parts("/mcp?tokens=1&x=token", &["Bearer abc"]);
        assert_eq!(credential(&parts), Ok("abc"));
    }
}
