//! Counts allocations: once warm, a clean request allocates nothing.

use waf_engine::{Body, Engine, Inspection, Request, Scratch, Settings};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

type Headers = &'static [(&'static [u8], &'static [u8])];

const REQUESTS: &[(&[u8], Headers, &[u8])] = &[
    (
        b"/catalogue/shoes/item-1042.html?color=dark+blue&size=42&tag=a&tag=b&f[x]=1&f[y]=2&l[]=3&l[]=4&e=%2520",
        &[
            (b"host", b"shop.example.com"),
            (
                b"user-agent",
                b"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            ),
            (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            (b"referer", b"https://shop.example.com/catalogue?page=2&q=na%C3%AFve"),
            (b"cookie", b"session=7f3c9a2be1d84b1c; prefs=%7B%22theme%22%3A%22dark%22%7D"),
            (
                b"authorization",
                b"Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiI0MiIsIm5hbWUiOiJTaW9iaFx1MDBlMW4gTydCcmllbiIsInNjb3BlIjoib3JkZXJzOnJlYWQgcHJvZmlsZSIsImlzcyI6Imh0dHBzOi8vaWQuZXhhbXBsZS5jb20vIiwidXJsIjoiaHR0cHM6Ly9zaG9wLmV4YW1wbGUuY29tL2E_Yj1jIn0.c2lnbmF0dXJl",
            ),
            (b"x-token", b"dGhpcyBpcyBhIHBsYWluIHRva2Vu"),
        ],
        b"",
    ),
    (
        b"/cart",
        &[(b"content-type", b"application/json")],
        br#"{"id":1,"name":"A \"quoted\" name","nested":{"list":["x","y",{"z":null}],"json":"{\"a\":[1,2]}"},"t":"a&amp;b"}"#,
    ),
    (
        b"/address",
        &[(b"content-type", b"application/x-www-form-urlencoded")],
        b"name=Ada+Lovelace&street=12+St+James+Square&city=London&city=Paris&note=Thank+you%21",
    ),
    (
        b"/upload",
        &[(b"content-type", b"multipart/form-data; boundary=xyz")],
        b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz\r\nContent-Disposition: form-data; \
          name=\"f\"; filename=\"a.txt\"\r\n\r\nsome text\r\n--xyz--\r\n",
    ),
    (b"/notes", &[(b"content-type", b"text/plain")], b"Plain text, nothing to see here."),
    (
        b"/letters?return=http%3A%2F%2Flocalhost%3A3000%2Fa&age[$gt]=25",
        &[(b"content-type", b"application/xml")],
        b"<!DOCTYPE a [<!ENTITY b \"Lovelace\"><!ENTITY c \"&b; &amp; Sons\">]><a xmlns:xi=\"http://www.w3.org/2001/XInclude\">\
          &c;<xi:include href=\"b.xml\"/></a>",
    ),
    (
        b"/soap?svg=%3Csvg%20width='1'%3E%3Cg/%3E%3C/svg%3E",
        &[(b"content-type", b"text/xml")],
        b"<?xml version='1.0'?><!-- c --><!DOCTYPE e [<!ENTITY n 'Ada &amp; Co'>]><e:a xmlns:e='urn:e' b='&lt;3'><e:c>x &n;\
          <![CDATA[ y]]><!-- c --></e:c><e:c>2</e:c><d>plain</d></e:a>",
    ),
    (
        b"/compressed?hex=416461204c6f76656c616365&kanji=%EF%BC%A1%EF%BC%A2&z=H4sIAAAAAAAC_8tIzcnJVyjPL8pJAQCFEUoNCwAAAA",
        &[(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\x56\xca\x4b\xcc\x4d\x55\xb2\x52\x72\x4c\x49\x54\xf0\xc9\x2f\
          \x4b\xcd\x49\x4c\x4e\x55\xd2\x51\xca\xc9\x2c\x2e\x51\xb2\x8a\x36\xd4\x31\xd2\x51\xaa\x50\x8a\xad\x05\x00\
          \xbb\xbb\x81\xd1\x28\x00\x00\x00",
    ),
    (
        b"/parts?a=1;b=2",
        &[(b"content-type", b"multipart/form-data; boundary=x; boundary=y")],
        b"preamble\n--y\nContent-Disposition: form-data; name=a;\n filename*=utf-8''a.txt\nContent-Type: text/plain; \
          charset=utf-16\nContent-Transfer-Encoding: quoted-printable\n\nsome=20text\n--y--\nepilogue",
    ),
    (
        b"/wide",
        &[(b"content-type", b"application/xml")],
        b"<\0a\0>\0h\0i\0<\0/\0a\0>\0",
    ),
    (
        b"/graphql?query=%7Buser(id:4)%7Bname%7D%7D",
        &[(b"content-type", b"application/json")],
        br#"{"query":"query Q($a: T = \"x\\n\") { b: c(d: [\"e\", {f: 1}]) { ...G } } fragment G on H { i }"}"#,
    ),
    (
        b"/shop.Orders/Add",
        &[(b"content-type", b"application/grpc")],
        b"\0\0\0\0\x12\x0a\x05hello\x10\x96\x01\x1a\x03\x0a\x01x\x22\x01a",
    ),
    (
        b"/shop.Orders/Add",
        &[(b"content-type", b"application/grpc-web-text")],
        b"AAAAAAMKAXk=",
    ),
    (
        b"/orders.aspx",
        &[(b"content-type", b"application/x-www-form-urlencoded")],
        b"__VIEWSTATE=%2FwEPBQVoZWxsbxgBBQNrZXkFBXZhbHVlAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
    ),
    (
        b"/orders",
        &[(b"content-type", b"application/json")],
        br#"{"filter":{"total":{"$gte":50},"$or":[{"state":"open"}]},"text":"a) b; c (d=e)"}"#,
    ),
];

/// Inspects every request and returns how many were clean.
fn inspect_all(engine: &Engine, scratch: &mut Scratch) -> usize {
    let is_clean = |(target, headers, body): &&(&[u8], Headers, &[u8])| {
        let request = Request {
            method: b"POST",
            scheme: b"https",
            authority: b"shop.example.com",
            target,
            headers,
        };
        let body = Body {
            bytes: body,
            is_complete: true,
        };
        let mut inspection = Inspection::default();
        engine.inspect_head(&request, scratch, &mut inspection);
        engine.inspect_body(body, scratch, &mut inspection);
        inspection.verdict().is_clean() && !inspection.verdict().limits.any()
    };
    REQUESTS.iter().filter(is_clean).count()
}

// The only test of this binary: the counters are global.
#[test]
fn clean_requests_allocate_nothing_once_warm() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let engine = Engine::new(Settings::default());
    let mut scratch = Scratch::default();
    assert_eq!(inspect_all(&engine, &mut scratch), REQUESTS.len());
    // An allocation of the engine would show in every round. One of the test runner's own threads, which the counters see
    // too, shows in some.
    let n_blocks = (0..10).map(|_| {
        let before = dhat::HeapStats::get().total_blocks;
        assert_eq!(inspect_all(&engine, &mut scratch), REQUESTS.len());
        dhat::HeapStats::get().total_blocks - before
    });
    assert_eq!(n_blocks.min(), Some(0), "blocks allocated in the best of ten rounds");
}
