//! Points of whole requests, in Wallarm notation. The first tests are the examples of the Wallarm documentation,
//! "Parsing requests".

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings, detect::Value, point::PointStack};

/// Prints every point of a request written as HTTP/1.1 (lines end with LF), with its value and place.
fn check(request: &str, expected: Expect) {
    check_bytes(request.as_bytes(), expected);
}

fn check_bytes(request: &[u8], expected: Expect) {
    let split = request.windows(2).position(|gap| gap == b"\n\n");
    let (head, body) = split.map_or((request, &[][..]), |at| request.split_at(at + 2));
    let head = std::str::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let mut start = lines.next().unwrap().split(' ');
    let headers: Vec<(&[u8], &[u8])> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = Request {
        method: start.next().unwrap().as_bytes(),
        target: start.next().unwrap().as_bytes(),
        headers: &headers,
        ..Default::default()
    };
    let body = Body {
        bytes: body,
        is_complete: true,
    };
    let engine = Engine::new(Settings::default());
    let (mut scratch, mut inspection) = (Scratch::default(), Inspection::default());
    let mut points = String::new();
    let mut print = |point: &PointStack, value: &Value<'_>| {
        let text = String::from_utf8_lossy(value.bytes);
        writeln!(points, "{point} {text:?} {:?}", value.place).unwrap();
    };
    engine.trace_head(&request, &mut scratch, &mut inspection, Some(&mut print));
    engine.trace_body(body, &mut scratch, &mut inspection, Some(&mut print));
    for limit in inspection.verdict().limits.names() {
        writeln!(points, "limit {limit}").unwrap();
    }
    expected.assert_eq(&points);
}

#[test]
fn target_parts() {
    check(
        "GET /blogs/123/index.php?q=aaa HTTP/1.1",
        expect![[r#"
        ["uri"] "/blogs/123/index.php?q=aaa" Uri
        ["path",0] "blogs" Path
        ["path",1] "123" Path
        ["action_name"] "index" Path
        ["action_ext"] "php" Path
        ["get","q"] "aaa" Query
    "#]],
    );
}

#[test]
fn target_without_extension_or_folders() {
    check(
        "GET / HTTP/1.1",
        expect![[r#"
        ["uri"] "/" Uri
    "#]],
    );
    check(
        "GET /a.tar.gz HTTP/1.1",
        expect![[r#"
        ["uri"] "/a.tar.gz" Uri
        ["action_name"] "a" Path
        ["action_ext"] "tar.gz" Path
    "#]],
    );
}

#[test]
fn structured_names() {
    check(
        "GET /?p1[x]=1&p1[y]=2&p2[]=aaa&p2[]=bbb HTTP/1.1",
        expect![[r#"
        ["uri"] "/?p1[x]=1&p1[y]=2&p2[]=aaa&p2[]=bbb" Uri
        ["get","p1","hash","x"] "1" Query
        ["get","p1","hash","y"] "2" Query
        ["get","p2","array",0] "aaa" Query
        ["get","p2","array",1] "bbb" Query
    "#]],
    );
    check(
        "GET /?a[b][]=1&a[b][]=2&[c]=3&d[e=4&f[g]h=5 HTTP/1.1",
        expect![[r#"
        ["uri"] "/?a[b][]=1&a[b][]=2&[c]=3&d[e=4&f[g]h=5" Uri
        ["get","a","hash","b","array",0] "1" Query
        ["get","a","hash","b","array",1] "2" Query
        ["get","[c]"] "3" Query
        ["get","d[e"] "4" Query
        ["get","f[g]h"] "5" Query
    "#]],
    );
}

#[test]
fn repeated_names() {
    check(
        "GET /?p3=1&p3=2 HTTP/1.1",
        expect![[r#"
        ["uri"] "/?p3=1&p3=2" Uri
        ["get","p3","array",0] "1" Query
        ["get","p3","pollution"] "1,2" Query
        ["get","p3","array",1] "2" Query
    "#]],
    );
    check(
        "GET / HTTP/1.1\nX-TEST: aaa\nX-Test: aaa",
        expect![[r#"
        ["uri"] "/" Uri
        ["header","X-TEST","array",0] "aaa" Header
        ["header","X-TEST","array",1] "aaa" Header
    "#]],
    );
}

#[test]
fn cookies() {
    check(
        "GET / HTTP/1.1\nCookie: a=1; b=2; c; ;",
        expect![[r#"
        ["uri"] "/" Uri
        ["header","COOKIE","cookie","a"] "1" Cookie
        ["header","COOKIE","cookie","b"] "2" Cookie
        ["header","COOKIE","cookie",""] "c" Cookie
    "#]],
    );
}

#[test]
fn form() {
    check(
        "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n\
         p1=1&p2[a]=2&p2[b]=3&p3[]=4&p3[]=5&p4=6&p4=7&p5=a+b%2Bc",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/x-www-form-urlencoded" Header
            ["post","form_urlencoded","p1"] "1" Body
            ["post","form_urlencoded","p2","hash","a"] "2" Body
            ["post","form_urlencoded","p2","hash","b"] "3" Body
            ["post","form_urlencoded","p3","array",0] "4" Body
            ["post","form_urlencoded","p3","array",1] "5" Body
            ["post","form_urlencoded","p4","array",0] "6" Body
            ["post","form_urlencoded","p4","pollution"] "6,7" Body
            ["post","form_urlencoded","p4","array",1] "7" Body
            ["post","form_urlencoded","p5"] "a b+c" Body
        "#]],
    );
}

#[test]
fn json_document() {
    check(
        "POST / HTTP/1.1\nContent-Type: application/json\n\n\
         {\"p1\":\"value\",\"p2\":[\"v1\",\"v2\"],\"p3\":{\"somekey\":\"somevalue\"}}",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/json" Header
            ["post","json_doc","hash","p1"] "value" Body
            ["post","json_doc","hash","p2","array",0] "v1" Body
            ["post","json_doc","hash","p2","array",1] "v2" Body
            ["post","json_doc","hash","p3","hash","somekey"] "somevalue" Body
        "#]],
    );
}

#[test]
fn multipart_with_a_file() {
    check(
        "POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=xyz\n\n\
         --xyz\r\nContent-Disposition: form-data; name=\"p1\"\r\n\r\n1\r\n\
         --xyz\r\nContent-Disposition: form-data; name=\"p2\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n\
         content\r\n--xyz--\r\n",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "multipart/form-data; boundary=xyz" Header
            ["post","multipart","p1"] "1" Body
            ["post","multipart","p2","header","CONTENT-TYPE"] "text/plain" Header
            ["post","multipart","p2","file","name"] "a.txt" FileName
            ["post","multipart","p2","file"] "content" File
        "#]],
    );
}

#[test]
fn multipart_with_structured_and_repeated_names() {
    let fields = [
        ("p1", 1),
        ("p2[a]", 2),
        ("p2[b]", 3),
        ("p3[]", 4),
        ("p3[]", 5),
        ("p4", 6),
        ("p4", 7),
    ];
    let part = |(name, value)| format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body: String = fields.into_iter().map(part).collect();
    check(
        &format!("POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=xyz\n\n{body}--xyz--"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "multipart/form-data; boundary=xyz" Header
            ["post","multipart","p1"] "1" Body
            ["post","multipart","p2","hash","a"] "2" Body
            ["post","multipart","p2","hash","b"] "3" Body
            ["post","multipart","p3","array",0] "4" Body
            ["post","multipart","p3","array",1] "5" Body
            ["post","multipart","p4","array",0] "6" Body
            ["post","multipart","p4","pollution"] "6,7" Body
            ["post","multipart","p4","array",1] "7" Body
        "#]],
    );
}

#[test]
fn declared_type_hides_nothing() {
    let post = |content_type: &str, body: &str| format!("POST / HTTP/1.1\nContent-Type: {content_type}\n\n{body}");
    check(
        &post("text/plain", "{\"a\":\"b\"}"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "text/plain" Header
        ["post","json_doc","hash","a"] "b" Body
    "#]],
    );
    check(
        &post("application/x-www-form-urlencoded", "{\"a\":\"b\"}"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/x-www-form-urlencoded" Header
            ["post","json_doc","hash","a"] "b" Body
        "#]],
    );
    check(
        &post("image/png", "[1]"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "image/png" Header
        ["post","json_doc","array",0] "1" Body
    "#]],
    );
    check(
        &post("multipart/form-data; boundary=x", "a=1"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "multipart/form-data; boundary=x" Header
        ["post","form_urlencoded","a"] "1" Body
    "#]],
    );
    check(
        &post("application/json", "a=1&b=2"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/json" Header
        ["post","form_urlencoded","a"] "1" Body
        ["post","form_urlencoded","b"] "2" Body
    "#]],
    );
    check(
        &post("application/json", "\"text\""),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/json" Header
        ["post","json_doc"] "text" Body
    "#]],
    );
    check(
        &post("application/json", "<a>1</a>"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/json" Header
            ["post"] "<a>1</a>" Body
        "#]],
    );
    check(
        &post("application/x-www-form-urlencoded", "<a>1</a>"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/x-www-form-urlencoded" Header
            ["post","form_urlencoded","<a>1</a>","name"] "<a>1</a>" Body
            ["post"] "<a>1</a>" Body
        "#]],
    );
    check(
        "POST / HTTP/1.1\n\na=1&b=2",
        expect![[r#"
        ["uri"] "/" Uri
        ["post","form_urlencoded","a"] "1" Body
        ["post","form_urlencoded","b"] "2" Body
    "#]],
    );
}

#[test]
fn nested_encodings() {
    // JSON in base64 in a JSON string, percent-encoded twice in a query, HTML entities below.
    check(
        "GET /?q=%2527%253Cb%253E HTTP/1.1",
        expect![[r#"
        ["uri"] "/?q=%2527%253Cb%253E" Uri
        ["uri","percent"] "/?q=%27%3Cb%3E" Uri
        ["uri","percent","percent"] "/?q='<b>" Uri
        ["get","q"] "%27%3Cb%3E" Query
        ["get","q","percent"] "'<b>" Query
    "#]],
    );
    check(
        "GET /?q=%26lt;b%26gt;+%5Cu0027 HTTP/1.1",
        expect![[r#"
        ["uri"] "/?q=%26lt;b%26gt;+%5Cu0027" Uri
        ["uri","percent"] "/?q=&lt;b&gt;+\\u0027" Uri
        ["get","q"] "&lt;b&gt; \\u0027" Query
        ["get","q","htmljs"] "<b> '" Query
    "#]],
    );
    check(
        "GET /?q=eyJhIjoiPGI%2BIn0%3D HTTP/1.1",
        expect![[r#"
        ["uri"] "/?q=eyJhIjoiPGI%2BIn0%3D" Uri
        ["uri","percent"] "/?q=eyJhIjoiPGI+In0=" Uri
        ["get","q"] "eyJhIjoiPGI+In0=" Query
        ["get","q","percent"] "eyJhIjoiPGI In0=" Query
        ["get","q","percent","base64"] "{\"a\":\"<b>\"}" Query
        ["get","q","percent","base64","json_doc","hash","a"] "<b>" Query
    "#]],
    );
    check(
        "POST / HTTP/1.1\n\n{\"outer\":\"{\\\"inner\\\":\\\"PHNjcmlwdD4\\\"}\"}",
        expect![[r#"
            ["uri"] "/" Uri
            ["post","json_doc","hash","outer"] "{\"inner\":\"PHNjcmlwdD4\"}" Body
            ["post","json_doc","hash","outer","json_doc","hash","inner"] "PHNjcmlwdD4" Body
            ["post","json_doc","hash","outer","json_doc","hash","inner","base64"] "<script>" Body
        "#]],
    );
}

#[test]
fn referer_is_a_url() {
    check(
        "GET / HTTP/1.1\nReferer: https://a.example/b?c=%27d",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","REFERER"] "https://a.example/b?c=%27d" Referer
            ["header","REFERER","get","c"] "'d" Query
        "#]],
    );
}

#[test]
fn credentials() {
    // {"alg":"HS256"}.{"sub":"1234567890"}
    check(
        "GET / HTTP/1.1\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","AUTHORIZATION"] "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP" Header
            ["header","AUTHORIZATION","jwt","jwt_prefix"] "Bearer" Header
            ["header","AUTHORIZATION","jwt","jwt_header"] "eyJhbGciOiJIUzI1NiJ9" Header
            ["header","AUTHORIZATION","jwt","jwt_header","base64"] "{\"alg\":\"HS256\"}" Header
            ["header","AUTHORIZATION","jwt","jwt_header","base64","json_doc","hash","alg"] "HS256" Header
            ["header","AUTHORIZATION","jwt","jwt_payload"] "eyJzdWIiOiIxMjM0NTY3ODkwIn0" Header
            ["header","AUTHORIZATION","jwt","jwt_payload","base64"] "{\"sub\":\"1234567890\"}" Header
            ["header","AUTHORIZATION","jwt","jwt_payload","base64","json_doc","hash","sub"] "1234567890" Header
        "#]],
    );
    check(
        "GET / HTTP/1.1\nAuthorization: Basic YWRtaW46c2VjcmV0",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","AUTHORIZATION"] "Basic YWRtaW46c2VjcmV0" Header
            ["header","AUTHORIZATION","base64"] "admin:secret" Header
        "#]],
    );
    check(
        "GET / HTTP/1.1\nAuthorization: Bearer opaque-token",
        expect![[r#"
        ["uri"] "/" Uri
        ["header","AUTHORIZATION"] "Bearer opaque-token" Header
    "#]],
    );
}

#[test]
fn tokens() {
    // The example of the documentation: {"alg":"HS256","typ":"JWT"}, {"sub":"1234567890","name":"John Doe",...}.
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0\
        IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    check(
        &format!("GET / HTTP/1.1\nAuthentication: Bearer {TOKEN}"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","AUTHENTICATION"] "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c" Header
            ["header","AUTHENTICATION","jwt","jwt_prefix"] "Bearer" Header
            ["header","AUTHENTICATION","jwt","jwt_header"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" Header
            ["header","AUTHENTICATION","jwt","jwt_header","base64"] "{\"alg\":\"HS256\",\"typ\":\"JWT\"}" Header
            ["header","AUTHENTICATION","jwt","jwt_header","base64","json_doc","hash","alg"] "HS256" Header
            ["header","AUTHENTICATION","jwt","jwt_header","base64","json_doc","hash","typ"] "JWT" Header
            ["header","AUTHENTICATION","jwt","jwt_payload"] "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ" Header
            ["header","AUTHENTICATION","jwt","jwt_payload","base64"] "{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}" Header
            ["header","AUTHENTICATION","jwt","jwt_payload","base64","json_doc","hash","sub"] "1234567890" Header
            ["header","AUTHENTICATION","jwt","jwt_payload","base64","json_doc","hash","name"] "John Doe" Header
            ["header","AUTHENTICATION","jwt","jwt_payload","base64","json_doc","hash","iat"] "1516239022" Header
        "#]],
    );
    check(
        &format!("GET /?t={TOKEN} HTTP/1.1\nCookie: t={TOKEN}"),
        expect![[r#"
        ["uri"] "/?t=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c" Uri
        ["get","t"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c" Query
        ["get","t","jwt","jwt_header"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" Query
        ["get","t","jwt","jwt_header","base64"] "{\"alg\":\"HS256\",\"typ\":\"JWT\"}" Query
        ["get","t","jwt","jwt_header","base64","json_doc","hash","alg"] "HS256" Query
        ["get","t","jwt","jwt_header","base64","json_doc","hash","typ"] "JWT" Query
        ["get","t","jwt","jwt_payload"] "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ" Query
        ["get","t","jwt","jwt_payload","base64"] "{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}" Query
        ["get","t","jwt","jwt_payload","base64","json_doc","hash","sub"] "1234567890" Query
        ["get","t","jwt","jwt_payload","base64","json_doc","hash","name"] "John Doe" Query
        ["get","t","jwt","jwt_payload","base64","json_doc","hash","iat"] "1516239022" Query
        ["header","COOKIE","cookie","t"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_header"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_header","base64"] "{\"alg\":\"HS256\",\"typ\":\"JWT\"}" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_header","base64","json_doc","hash","alg"] "HS256" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_header","base64","json_doc","hash","typ"] "JWT" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_payload"] "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_payload","base64"] "{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_payload","base64","json_doc","hash","sub"] "1234567890" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_payload","base64","json_doc","hash","name"] "John Doe" Cookie
        ["header","COOKIE","cookie","t","jwt","jwt_payload","base64","json_doc","hash","iat"] "1516239022" Cookie
    "#]],
    );
    check(
        &format!("POST / HTTP/1.1\n\n{{\"t\":\"MobApp2 {TOKEN}\"}}"),
        expect![[r#"
            ["uri"] "/" Uri
            ["post","json_doc","hash","t"] "MobApp2 eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c" Body
            ["post","json_doc","hash","t","jwt","jwt_prefix"] "MobApp2" Body
            ["post","json_doc","hash","t","jwt","jwt_header"] "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" Body
            ["post","json_doc","hash","t","jwt","jwt_header","base64"] "{\"alg\":\"HS256\",\"typ\":\"JWT\"}" Body
            ["post","json_doc","hash","t","jwt","jwt_header","base64","json_doc","hash","alg"] "HS256" Body
            ["post","json_doc","hash","t","jwt","jwt_header","base64","json_doc","hash","typ"] "JWT" Body
            ["post","json_doc","hash","t","jwt","jwt_payload"] "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ" Body
            ["post","json_doc","hash","t","jwt","jwt_payload","base64"] "{\"sub\":\"1234567890\",\"name\":\"John Doe\",\"iat\":1516239022}" Body
            ["post","json_doc","hash","t","jwt","jwt_payload","base64","json_doc","hash","sub"] "1234567890" Body
            ["post","json_doc","hash","t","jwt","jwt_payload","base64","json_doc","hash","name"] "John Doe" Body
            ["post","json_doc","hash","t","jwt","jwt_payload","base64","json_doc","hash","iat"] "1516239022" Body
        "#]],
    );
}

/// The three documents of the documentation.
const USER: &str = "query GetUser {\n  user(id: \"1\") {\n    ...UserFields @include(if: true)\n  }\n}\n";
const USERS: &str = "query GetAllUsers {\n  users(limit: 10) {\n    ...UserFields @include(if: true)\n  }\n}\n";
const FIELDS: &str = "fragment UserFields on User {\n  id\n  posts(status: \"published\") {\n    title\n  }\n}\n";

#[test]
fn graphql() {
    let post =
        |content_type: &str, body: &str| format!("POST /graphql HTTP/1.1\nContent-Type: {content_type}\n\n{body}");
    check(
        &post("application/graphql", &format!("{USER}{USERS}{FIELDS}")),
        expect![[r#"
            ["uri"] "/graphql" Uri
            ["action_name"] "graphql" Path
            ["header","CONTENT-TYPE"] "application/graphql" Header
            ["post"] "query GetUser {\n  user(id: \"1\") {\n    ...UserFields @include(if: true)\n  }\n}\nquery GetAllUsers {\n  users(limit: 10) {\n    ...UserFields @include(if: true)\n  }\n}\nfragment UserFields on User {\n  id\n  posts(status: \"published\") {\n    title\n  }\n}\n" RawBody
            ["post","gql","gql_query","GetUser","hash","user","gql_arg","hash","id"] "1" Body
            ["post","gql","gql_query","GetUser","hash","user","gql_spread","UserFields","gql_dir","include","gql_arg","hash","if"] "true" Body
            ["post","gql","gql_query","GetAllUsers","hash","users","gql_arg","hash","limit"] "10" Body
            ["post","gql","gql_query","GetAllUsers","hash","users","gql_spread","UserFields","gql_dir","include","gql_arg","hash","if"] "true" Body
            ["post","gql","gql_fragment","UserFields","gql_type","User","hash","posts","gql_arg","hash","status"] "published" Body
        "#]],
    );
    check(
        &post("text/plain", "{ a: shop(id: 1) { ... on Shop { name } } }"),
        expect![[r#"
            ["uri"] "/graphql" Uri
            ["action_name"] "graphql" Path
            ["header","CONTENT-TYPE"] "text/plain" Header
            ["post"] "{ a: shop(id: 1) { ... on Shop { name } } }" Body
            ["post","gql","gql_query","","hash","shop","gql_alias"] "a" Body
            ["post","gql","gql_query","","hash","shop","gql_arg","hash","id"] "1" Body
        "#]],
    );
    check(
        &post(
            "application/json",
            r#"{"query":"mutation M($t: String = \"none\") { add(text: $t, tags: [\"x\"]) { id } }","variables":{"t":"b"}}"#,
        ),
        expect![[r#"
            ["uri"] "/graphql" Uri
            ["action_name"] "graphql" Path
            ["header","CONTENT-TYPE"] "application/json" Header
            ["post","json_doc","hash","query"] "mutation M($t: String = \"none\") { add(text: $t, tags: [\"x\"]) { id } }" Body
            ["post","json_doc","hash","query","gql","gql_mutation","M","gql_var","t"] "none" Body
            ["post","json_doc","hash","query","gql","gql_mutation","M","hash","add","gql_arg","hash","text"] "t" Body
            ["post","json_doc","hash","query","gql","gql_mutation","M","hash","add","gql_arg","hash","tags","array",0] "x" Body
            ["post","json_doc","hash","variables","hash","t"] "b" Body
        "#]],
    );
    check(
        &post(
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nsubscription { news(q: \"q\") }\r\n--b--",
        ),
        expect![[r#"
            ["uri"] "/graphql" Uri
            ["action_name"] "graphql" Path
            ["header","CONTENT-TYPE"] "multipart/form-data; boundary=b" Header
            ["post","multipart","query"] "subscription { news(q: \"q\") }" Body
            ["post","multipart","query","gql","gql_subscription","","hash","news","gql_arg","hash","q"] "q" Body
        "#]],
    );
    check(
        "GET /graphql?query=%7Buser(id:%22%5Cu003c%22)%7Bname%7D%7D HTTP/1.1",
        expect![[r#"
            ["uri"] "/graphql?query=%7Buser(id:%22%5Cu003c%22)%7Bname%7D%7D" Uri
            ["uri","percent"] "/graphql?query={user(id:\"\\u003c\"){name}}" Uri
            ["action_name"] "graphql" Path
            ["get","query"] "{user(id:\"\\u003c\"){name}}" Query
            ["get","query","gql","gql_query","","hash","user","gql_arg","hash","id"] "<" Query
            ["get","query","htmljs"] "{user(id:\"<\"){name}}" Query
            ["get","query","htmljs","gql","gql_query","","hash","user","gql_arg","hash","id"] "<" Query
        "#]],
    );
}

/// A message: a string, a number, a message with a string, a repeated string, four bytes.
const MESSAGE: &[u8] = b"\x0a\x05hello\x10\x96\x01\x1a\x03\x0a\x01x\x22\x01a\x22\x01b\x2d\x02\0\0\0";

fn post(content_type: &str, body: &[u8]) -> Vec<u8> {
    [
        format!("POST / HTTP/1.1\nContent-Type: {content_type}\n\n").as_bytes(),
        body,
    ]
    .concat()
}

#[test]
fn grpc() {
    let frame = [&b"\0\0\0\0"[..], &[MESSAGE.len() as u8], MESSAGE].concat();
    let two = [&frame[..], b"\0\0\0\0\x03\x0a\x01y"].concat();
    check_bytes(
        &post("application/grpc+proto", &two),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/grpc+proto" Header
        ["post","grpc",0,"protobuf","1"] "hello" Body
        ["post","grpc",0,"protobuf","2","protobuf_varint"] "150" Body
        ["post","grpc",0,"protobuf","3","protobuf","1"] "x" Body
        ["post","grpc",0,"protobuf","4","array",0] "a" Body
        ["post","grpc",0,"protobuf","4","array",1] "b" Body
        ["post","grpc",0,"protobuf","5","protobuf_int32"] "2" Body
        ["post","grpc",1,"protobuf","1"] "y" Body
    "#]],
    );
    check_bytes(
        &post("application/grpc", b"\0\0\0\0\x09{\"a\":\"b\"}"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/grpc" Header
        ["post","grpc",0] "{\"a\":\"b\"}" Body
        ["post","grpc",0,"json_doc","hash","a"] "b" Body
    "#]],
    );
    check_bytes(
        &post("application/grpc", b"a=1&b=2"),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/grpc" Header
        ["post","form_urlencoded","a"] "1" Body
        ["post","form_urlencoded","b"] "2" Body
    "#]],
    );
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, MESSAGE).unwrap();
    let gzip = gzip.finish().unwrap();
    let compressed = [&b"\x01\0\0\0"[..], &[gzip.len() as u8], &gzip].concat();
    check_bytes(
        &post("application/grpc", &compressed),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/grpc" Header
        ["post","grpc",0,"gzip","protobuf","1"] "hello" Body
        ["post","grpc",0,"gzip","protobuf","2","protobuf_varint"] "150" Body
        ["post","grpc",0,"gzip","protobuf","3","protobuf","1"] "x" Body
        ["post","grpc",0,"gzip","protobuf","4","array",0] "a" Body
        ["post","grpc",0,"gzip","protobuf","4","array",1] "b" Body
        ["post","grpc",0,"gzip","protobuf","5","protobuf_int32"] "2" Body
    "#]],
    );
    // A frame whose length reads like the beginning of a document in UTF-32.
    let cut = [&b"\0\0\0\x09\0"[..], MESSAGE].concat();
    check_bytes(
        &post("application/grpc", &cut),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/grpc" Header
        ["post","grpc",0,"protobuf","1"] "hello" Body
        ["post","grpc",0,"protobuf","2","protobuf_varint"] "150" Body
        ["post","grpc",0,"protobuf","3","protobuf","1"] "x" Body
        ["post","grpc",0,"protobuf","4","array",0] "a" Body
        ["post","grpc",0,"protobuf","4","array",1] "b" Body
        ["post","grpc",0,"protobuf","5","protobuf_int32"] "2" Body
    "#]],
    );
    // The message and trailers, each encoded by itself.
    let web = b"AAAAAAMKAXk=gAAAABBncnBjLXN0YXR1czogMA0K";
    check_bytes(
        &post("application/grpc-web-text", web),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/grpc-web-text" Header
            ["post","base64","grpc",0,"protobuf","1"] "y" Body
            ["post","base64","grpc",1] "grpc-status: 0\r\n" Body
        "#]],
    );
}

#[test]
fn protocol_buffers() {
    check_bytes(
        &post("application/x-protobuf", MESSAGE),
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "application/x-protobuf" Header
        ["post","protobuf","1"] "hello" Body
        ["post","protobuf","2","protobuf_varint"] "150" Body
        ["post","protobuf","3","protobuf","1"] "x" Body
        ["post","protobuf","4","array",0] "a" Body
        ["post","protobuf","4","array",1] "b" Body
        ["post","protobuf","5","protobuf_int32"] "2" Body
    "#]],
    );
    // Bytes that are neither text nor a message, and a cut string.
    check_bytes(
        &post("application/x-protobuf", b"\x0a\x04\xff\xfe\0\x01\x12\x20cut off"),
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/x-protobuf" Header
            ["post","protobuf","2","protobuf","14","protobuf_int32"] "1718558836" Body
            ["post","protobuf","2"] "cut off" Body
        "#]],
    );
}

#[test]
fn view_state() {
    // A pair of a string and a dictionary with an entry, then an authentication code of zeros.
    check(
        "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n\
         __VIEWSTATE=%2FwEPBQVoZWxsbxgBBQNrZXkFBXZhbHVlAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/x-www-form-urlencoded" Header
            ["post","form_urlencoded","__VIEWSTATE"] "/wEPBQVoZWxsbxgBBQNrZXkFBXZhbHVlAAAAAAAAAAAAAAAAAAAAAAAAAAA=" Body
            ["post","form_urlencoded","__VIEWSTATE","base64"] "�\u{1}\u{f}\u{5}\u{5}hello\u{18}\u{1}\u{5}\u{3}key\u{5}\u{5}value\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" Body
            ["post","form_urlencoded","__VIEWSTATE","base64","viewstate","viewstate_pair",0] "hello" Body
            ["post","form_urlencoded","__VIEWSTATE","base64","viewstate","viewstate_pair",1,"viewstate_dict","key","viewstate_dict_key"] "key" Body
            ["post","form_urlencoded","__VIEWSTATE","base64","viewstate","viewstate_pair",1,"viewstate_dict","key","viewstate_dict_value"] "value" Body
        "#]],
    );
}

#[test]
fn binary_body_yields_its_text_only() {
    let mut request = b"POST / HTTP/1.1\nContent-Type: image/jpeg\n\n".to_vec();
    request.extend((0u32..300).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x1f));
    request.extend_from_slice(b"<?php system($_GET['c']); ?>");
    request.extend([0; 50]);
    check_bytes(
        &request,
        expect![[r#"
        ["uri"] "/" Uri
        ["header","CONTENT-TYPE"] "image/jpeg" Header
        ["post"] "\n<?php system($_GET['c']); ?>" File
    "#]],
    );
}

#[test]
fn xml() {
    check(
        "POST / HTTP/1.1\nContent-Type: application/xml\n\n\
         <?xml version=\"1.0\"?>\n<!DOCTYPE foo [<!ENTITY xxe \"aaaa\">]>\n\
         <?xml-stylesheet type=\"text/xsl\" href=\"style.xsl\"?>\n<!-- test -->\n\
         <methodCall>\n<methodName>&xxe;</methodName>\n<methodArgs check=\"true\">123</methodArgs>\n\
         <methodArgs>234</methodArgs>\n</methodCall>",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/xml" Header
            ["post"] "<?xml version=\"1.0\"?>\n<!DOCTYPE foo [<!ENTITY xxe \"aaaa\">]>\n<?xml-stylesheet type=\"text/xsl\" href=\"style.xsl\"?>\n<!-- test -->\n<methodCall>\n<methodName>&xxe;</methodName>\n<methodArgs check=\"true\">123</methodArgs>\n<methodArgs>234</methodArgs>\n</methodCall>" RawBody
            ["post","xml","xml_dtd_entity",0] "aaaa" Body
            ["post","xml","xml_pi",0] "xml-stylesheet type=\"text/xsl\" href=\"style.xsl\"" Body
            ["post","xml","xml_comment",0] " test " Body
            ["post","xml","xml_tag","methodCall","xml_tag","methodName"] "aaaa" Body
            ["post","xml","xml_tag","methodCall","xml_tag","methodArgs","xml_attr","check"] "true" Body
            ["post","xml","xml_tag","methodCall","xml_tag","methodArgs"] "123" Body
            ["post","xml","xml_tag","methodCall","xml_tag","methodArgs","xml_tag_array",1] "234" Body
        "#]],
    );
    check(
        "POST /?x=%3Cn:a%20xmlns:n='urn:n'%3E1%3C/n:a%3E HTTP/1.1\n\n{\"d\":\"<!DOCTYPE d SYSTEM 'd.dtd'><d>1</d>\"}",
        expect![[r#"
            ["uri"] "/?x=%3Cn:a%20xmlns:n='urn:n'%3E1%3C/n:a%3E" Uri
            ["uri","percent"] "/?x=<n:a xmlns:n='urn:n'>1</n:a>" Uri
            ["get","x"] "<n:a xmlns:n='urn:n'>1</n:a>" Query
            ["get","x","xml","xml_tag","urn:n:n:a","xml_attr","xmlns:n"] "urn:n" Query
            ["get","x","xml","xml_tag","urn:n:n:a"] "1" Query
            ["post","json_doc","hash","d"] "<!DOCTYPE d SYSTEM 'd.dtd'><d>1</d>" Body
            ["post","json_doc","hash","d","xml","xml_dtd"] "d.dtd" Body
            ["post","json_doc","hash","d","xml","xml_tag","d"] "1" Body
        "#]],
    );
}

#[test]
fn json_lines() {
    check(
        "POST / HTTP/1.1\nContent-Type: application/json\n\n{\"a\": 1}\n{\"a\": \"x\"}",
        expect![[r#"
            ["uri"] "/" Uri
            ["header","CONTENT-TYPE"] "application/json" Header
            ["post","json_doc","hash","a"] "1" Body
            ["post","json_doc","hash","a"] "x" Body
            ["post"] "{\"a\": 1}\n{\"a\": \"x\"}" Body
        "#]],
    );
}
