//! What the console is made of, and what it asks. How it looks and works is `tests/console`'s to check, in a browser.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_page_and_all_that_it_names_are_here_under_a_strict_policy() {
    let bench = Bench::new();
    let page = bench.get("/");
    let mut open = vec![page.text().to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(text) = open.pop() {
        let links = text.split('"').filter(|part| part.starts_with("/console/") || part.starts_with("./"));
        for link in links.map(|link| link.replace("./", "/console/")) {
            if seen.insert(link.clone()) {
                let file = bench.get(&link);
                assert_eq!(file.status, 200, "{link}");
                open.push(file.text().to_owned());
            }
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
    for target in seen.iter().map(String::as_str).chain(["/"]) {
        let reply = bench.get(target);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{target}: {policy}");
        // Another version of the node has another console: browsers ask, and are told that nothing is new.
        assert_eq!(reply.header("cache-control"), Some("no-cache"), "{target}");
        let tag = reply.header("etag").unwrap();
        let again = bench.call(&Request::new("GET", target).header("If-None-Match", tag));
        assert_eq!((again.status, again.body.len()), (304, 0), "{target}");
    }
    bench.get("/console/nothing.js").problem(404, "no-route");
}

#[test]
fn heights_come_with_the_first_vote_of_each_and_one_with_its_messages() {
    let bench = Bench::new();
    let list = bench.get("/v1/instances").json(200);
    assert_eq!(list["instances"][0]["height"], 2);
    assert_eq!(list["instances"][0]["votes"].as_array().unwrap().len(), 2, "the first of each: {list}");
    assert_eq!(bench.get("/v1/instances?limit=1").json(200)["instances"].as_array().unwrap().len(), 1);
    let one = bench.get("/v1/instances/1").json(200);
    assert_eq!((&one["messages"][0]["kind"], &one["ballots"][2]["round"]), (&"proposal".into(), &1.into()));
    bench.get("/v1/instances/3").problem(404, "no-block");
    bench.get("/v1/instances/latest").problem(400, "bad-request");
    bench.get("/v1/instances?limit=-1").problem(400, "bad-request");
}

#[test]
fn the_origin_of_a_value_is_the_last_block_that_wrote_it() {
    let bench = Bench::new();
    bench.put("/v1/kv/a%2Fb", b"1");
    bench.put("/v1/kv/a%2Fb", b"2");
    bench.put("/v1/kv/a%2Fb", b"1");
    bench.put("/v1/kv/other", b"1");
    let origin = bench.get("/v1/origin/a%2Fb").json(200);
    assert_eq!((&origin["height"], &origin["is_present"]), (&3.into(), &true.into()), "{origin}");
    assert_eq!((&origin["searched_from"], &origin["searched_to"]), (&3.into(), &4.into()));
    bench.call(&Request::new("DELETE", "/v1/kv/a%2Fb"));
    let origin = bench.get("/v1/origin/a%2Fb").json(200);
    assert_eq!((&origin["height"], &origin["is_present"]), (&5.into(), &false.into()), "{origin}");
    let never = bench.get("/v1/origin/never").json(200);
    assert_eq!((&never["height"], &never["searched_from"]), (&Value::Null, &1.into()), "{never}");
}
