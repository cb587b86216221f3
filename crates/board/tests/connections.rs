//! Connections that mean no good, limits, and what every answer carries.

mod support;

use std::time::{Duration, Instant};

use jeoul_board::{Folder, Rate, SECURITY_HEADERS};
use serde_json::{Value as Json, json};
use support::{Person, Run, Server, config, on_each_engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn two_thousand_half_open_requests_keep_nobody_out_and_are_closed() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut half_open = Vec::new();
        for _ in 0..2_100 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            // Some are turned out while they still write.
            let _ = stream
                .write_all(b"POST /api/submissions HTTP/1.1\r\nhost: a\r\n")
                .await;
            half_open.push(stream);
        }
        let opened = Instant::now();
        let posts: Vec<_> = (0..300)
            .map(|seed| {
                let (_, body) = Run::new("open", seed, server.now_ms())
                    .sealed(Person::new((seed % 200) as u8).key());
                let client = support::Client::new(server.address, server.now_ms());
                tokio::spawn(async move {
                    let begun = Instant::now();
                    client
                        .send("POST", "/api/submissions", &[], body)
                        .await
                        .expect(201);
                    begun.elapsed()
                })
            })
            .collect();
        let mut waited = Vec::new();
        for post in posts {
            waited.push(post.await.unwrap());
        }
        waited.sort();
        eprintln!(
            "300 posts beside 2,100 half-open requests: p99 {} ms, in a build without optimisation",
            waited[296].as_millis()
        );
        let mut closed = 0;
        for mut stream in half_open {
            let left = Duration::from_secs(15).saturating_sub(opened.elapsed());
            let mut rest = Vec::new();
            // Closed with or without a 408.
            let ended = tokio::time::timeout(left, stream.read_to_end(&mut rest)).await;
            closed += usize::from(ended.is_ok());
        }
        assert_eq!(closed, 2_100, "after {:?}", opened.elapsed());
        server.stop().await;
    });
}

#[test]
fn a_body_that_does_not_come_ends_after_thirty_seconds() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST /api/submissions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let mut answer = vec![0; 4096];
        let count = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(
            text.starts_with("HTTP/1.1 408") && text.contains("too-slow"),
            "{text}"
        );
        assert!(
            (29..33).contains(&begun.elapsed().as_secs()),
            "{:?}",
            begun.elapsed()
        );
        server.stop().await;
    });
}

#[test]
fn who_sends_a_body_slowly_or_stays_idle_takes_nobody_s_place() {
    on_each_engine(async |database| {
        let mut config = config(&database.url());
        config.limits.in_flight = 2;
        let server = Server::with(config).await;
        let head =
            "POST /api/submissions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
        let mut slow = Vec::new();
        for _ in 0..50 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let text = format!("{head}content-length: 1000\r\n\r\n{{");
            stream.write_all(text.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        let read = async |stream: &mut TcpStream| {
            let mut answer = vec![0; 4096];
            let count = stream.read(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer[..count]).into_owned()
        };
        // 32 bodies of 8 MiB are all the room that there is for large ones.
        for _ in 0..32 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let text = format!("{head}content-length: {}\r\n\r\n{{", 8 << 20);
            stream.write_all(text.as_bytes()).await.unwrap();
            slow.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let large = vec![b' '; 100_000];
        let answer = server
            .client
            .send("POST", "/api/submissions", &[], large)
            .await;
        assert_eq!(answer.expect(503).code(), "busy");
        Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await
            .1
            .expect(201);

        let mut chunked = TcpStream::connect(server.address).await.unwrap();
        let text = format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n");
        chunked.write_all(text.as_bytes()).await.unwrap();
        assert!(read(&mut chunked).await.contains("length-required"));

        let mut idle = TcpStream::connect(server.address).await.unwrap();
        idle.write_all(b"GET /api/health HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(read(&mut idle).await.starts_with("HTTP/1.1 200"));
        let begun = Instant::now();
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(15), idle.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "an idle connection is closed");
        eprintln!("an idle connection is closed after {:?}", begun.elapsed());
        server.stop().await;
    });
}

#[test]
fn a_key_that_posts_too_often_waits_and_others_do_not() {
    on_each_engine(async |database| {
        let mut config = config(&database.url());
        config.limits.posts = Rate {
            per_minute: 1,
            burst: 3,
        };
        let server = Server::with(config).await;
        for seed in 0..3 {
            Person::new(1)
                .post(&server.client, Run::new("open", seed, server.now_ms()))
                .await
                .1
                .expect(201);
        }
        let (_, answer) = Person::new(1)
            .post(&server.client, Run::new("open", 3, server.now_ms()))
            .await;
        let wait: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=61).contains(&wait), "{wait}");
        assert_eq!(answer.expect(429).code(), "too-many-requests");
        Person::new(2)
            .post(&server.client, Run::new("open", 4, server.now_ms()))
            .await
            .1
            .expect(201);
        server.stop().await;
    });
}

#[test]
fn every_answer_carries_the_security_headers_and_the_page_is_beside_the_board() {
    on_each_engine(async |database| {
        let folder = std::env::temp_dir().join(format!(
            "jeoul-page-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(folder.join("models")).unwrap();
        std::fs::write(folder.join("index.html"), "<!doctype html>").unwrap();
        std::fs::write(folder.join("models/a.gguf"), "0123456789".repeat(100)).unwrap();
        std::fs::create_dir_all(folder.join("assets")).unwrap();
        std::fs::write(
            folder.join("assets/a-1b2c.js"),
            "export const a = 1;".repeat(100),
        )
        .unwrap();
        let mut config = config(&database.url());
        config.folders = vec![
            Folder {
                at: "/".into(),
                path: folder.clone(),
            },
            Folder {
                at: "/weights".into(),
                path: folder.join("models"),
            },
        ];
        let server = Server::with(config).await;
        for (path, status) in [
            ("/", 200),
            ("/weights/a.gguf", 200),
            ("/none", 404),
            ("/api/boards/open", 200),
            ("/api/boards/none", 404),
            ("/api/none", 404),
            ("/../etc/passwd", 404),
            ("/..%2f..%2fetc/passwd", 404),
        ] {
            let answer = server.client.get(path).await.expect(status);
            for (name, value) in SECURITY_HEADERS {
                assert_eq!(answer.headers[name], value, "{name} of {path}");
            }
            assert!(
                !answer.headers.contains_key("access-control-allow-origin"),
                "{path}"
            );
        }
        let asset = server.client.get("/assets/a-1b2c.js").await.expect(200);
        assert_eq!(
            asset.headers["cache-control"],
            "public, max-age=31536000, immutable"
        );
        let packed = [("accept-encoding", "gzip")];
        for (path, encoding) in [
            ("/assets/a-1b2c.js", true),
            ("/api/openapi.json", true),
            ("/weights/a.gguf", false),
        ] {
            let answer = server
                .client
                .send("GET", path, &packed, "")
                .await
                .expect(200);
            assert_eq!(
                answer.headers.contains_key("content-encoding"),
                encoding,
                "{path}"
            );
        }
        let part = server
            .client
            .send("GET", "/weights/a.gguf", &[("range", "bytes=4-9")], "")
            .await
            .expect(206);
        assert_eq!(&part.body[..], b"456789");
        server.stop().await;
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn figures_and_the_description_are_served() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await
            .1
            .expect(201);
        server.client.get("/api/boards/none").await.expect(404);
        let text = String::from_utf8(
            server
                .client
                .get("/metrics")
                .await
                .expect(200)
                .body
                .to_vec(),
        )
        .unwrap();
        assert!(text.contains("jeoul_board_stored_total 1"), "{text}");
        assert!(
            text.contains(r#"route="/api/boards/{board}",method="GET",status="404"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"jeoul_board_problems_total{code="not-found"} 1"#),
            "{text}"
        );
        let description = server
            .client
            .get("/api/openapi.json")
            .await
            .expect(200)
            .json();
        assert_eq!(description["openapi"], "3.1.0");
        assert!(description["paths"]["/api/submissions"]["post"].is_object());
        server.stop().await;
    });
}

#[test]
fn nothing_of_a_visitor_is_in_the_database() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let headers = [
            ("user-agent", "visitor-agent"),
            ("x-forwarded-for", "203.0.113.77"),
            ("accept-language", "visitor-language"),
        ];
        let (_, body) = Run::new("open", 1, server.now_ms()).sealed(Person::new(1).key());
        server
            .client
            .send("POST", "/api/submissions", &headers, body)
            .await
            .expect(201);
        Person::new(1)
            .ask(&server.client, "POST", "/api/rooms", &json!({"name": "r"}))
            .await
            .expect(201);
        let mut file = std::io::Cursor::new(Vec::new());
        server.board.export(&mut file).await.unwrap();
        let text = String::from_utf8(file.into_inner()).unwrap();
        for trace in [
            "visitor-agent",
            "203.0.113.77",
            "127.0.0.1",
            "visitor-language",
        ] {
            assert!(!text.contains(trace), "{trace}");
        }
        let rows = text
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap())
            .filter(|row| row["table"] == "rooms");
        assert_eq!(rows.count(), 1);
        server.stop().await;
    });
}
