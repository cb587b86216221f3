//! How a run earns trust: spot checks by other keys and by the board.

mod support;

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use jeoul_board::{Rerun, VerifyError};
use jeoul_record::Envelope;
use jeoul_record::envelope::DocumentOutcome;
use jeoul_record::spot::{self, Closeness, Drawn, Verdict};
use serde_json::{Value as Json, json};
use support::{Person, Run, Server, on_each_engine};

const NOTHING: Json = Json::Null;

/// Documents that find 5 % of forged ones among 200.
fn drawn_of_200() -> usize {
    spot::sample_size(200, true, &Closeness::default()) as usize
}

/// Draws for `person` and answers with the run's own outcomes, the first of which is changed if `forged`.
async fn check(server: &Server, person: &Person, id: &str, run: &Run, forged: bool) -> Json {
    let path = format!("/api/submissions/{id}/checks");
    let drawn = person
        .ask(&server.client, "POST", &path, &NOTHING)
        .await
        .expect(201)
        .json();
    let documents = &run.envelope.tasks[0].documents;
    let ids = drawn["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["doc_id"].as_u64().unwrap());
    let mut again: Vec<DocumentOutcome> = ids.map(|id| documents[id as usize].clone()).collect();
    assert_eq!(again.len(), drawn_of_200());
    if forged {
        again[0].loglikelihoods[0] -= 1e-9;
    }
    let answers = json!({"lane": "cpu", "documents": again});
    let path = format!("/api/checks/{}", drawn["check"].as_str().unwrap());
    let judged = person
        .ask(&server.client, "POST", &path, &answers)
        .await
        .expect(200)
        .json();
    person
        .ask(&server.client, "POST", &path, &answers)
        .await
        .expect(409);
    judged
}

async fn trust(server: &Server, id: &str) -> (String, bool) {
    let row = server
        .client
        .get(&format!("/api/submissions/{id}"))
        .await
        .expect(200)
        .json();
    (
        row["trust"].as_str().unwrap().to_owned(),
        row["disputed"].as_bool().unwrap(),
    )
}

#[test]
fn two_other_keys_make_a_run_reproduced() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let run = Run::new("open", 1, server.now_ms());
        let (id, _) = Person::new(1).post(&server.client, run.clone()).await;
        let path = format!("/api/submissions/{id}/checks");
        let own = Person::new(1)
            .ask(&server.client, "POST", &path, &NOTHING)
            .await;
        assert_eq!(own.expect(403).code(), "own-run");
        assert_eq!(
            check(&server, &Person::new(2), &id, &run, false).await["trust"],
            "consistent"
        );
        assert_eq!(
            check(&server, &Person::new(3), &id, &run, false).await["trust"],
            "reproduced"
        );
        assert_eq!(trust(&server, &id).await, ("reproduced".to_owned(), false));
        let judged = check(&server, &Person::new(4), &id, &run, true).await;
        assert_eq!(judged["comparison"]["verdict"], "disagrees");
        assert_eq!(trust(&server, &id).await, ("reproduced".to_owned(), true));
        let checks = server.client.get(&path).await.expect(200).json();
        let checks = checks["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 3);
        let population: Vec<Drawn> = (0..200).map(|doc_id| Drawn { task: 0, doc_id }).collect();
        for one in checks {
            let drawn: Vec<Drawn> = serde_json::from_value(one["documents"].clone()).unwrap();
            let seed = one["seed"].as_str().unwrap();
            assert!(
                jeoul_board::follows(seed, &id, &population, true, &drawn),
                "anyone can draw again"
            );
            assert!(!jeoul_board::follows(
                &"00".repeat(32),
                &id,
                &population,
                true,
                &drawn
            ));
        }
        server.stop().await;
    });
}

#[test]
fn nobody_draws_until_they_like_it() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        let (id, _) = Person::new(1)
            .post(&server.client, Run::new("open", 1, server.now_ms()))
            .await;
        let path = format!("/api/submissions/{id}/checks");
        let first = Person::new(2)
            .ask(&server.client, "POST", &path, &NOTHING)
            .await
            .expect(201)
            .json();
        let second = Person::new(2)
            .ask(&server.client, "POST", &path, &NOTHING)
            .await
            .expect(201)
            .json();
        assert_eq!(first, second);
        let other = Person::new(3)
            .ask(&server.client, "POST", &path, &NOTHING)
            .await
            .expect(201)
            .json();
        assert_ne!(first["documents"], other["documents"]);
        let seen = server.client.get(&path).await.expect(200).json();
        assert!(
            seen["checks"][0].get("documents").is_none(),
            "others see the draw once it is done"
        );
        server.stop().await;
    });
}

/// Answers with the run's own outcomes, or with one changed in its last bit.
struct Again {
    forged: bool,
    asked: Mutex<usize>,
}

impl Rerun for Again {
    fn rerun<'a>(
        &'a self,
        envelope: &'a Envelope,
        drawn: &'a [Drawn],
    ) -> BoxFuture<'a, Result<Vec<DocumentOutcome>, String>> {
        *self.asked.lock().unwrap() += drawn.len();
        let documents =
            |one: &Drawn| envelope.tasks[one.task as usize].documents[one.doc_id as usize].clone();
        let mut again: Vec<DocumentOutcome> = drawn.iter().map(documents).collect();
        if self.forged {
            let sum = &mut again[0].loglikelihoods[0];
            *sum = f64::from_bits(sum.to_bits() ^ 1);
        }
        Box::pin(async move { Ok(again) })
    }
}

#[test]
fn the_board_verifies_to_the_bit_and_once() {
    on_each_engine(async |database| {
        let server = Server::start(database).await;
        for (seed, forged, label, verdict) in [
            (1, false, "verified", Verdict::Agrees),
            (2, true, "consistent", Verdict::Disagrees),
        ] {
            let (id, _) = Person::new(1)
                .post(&server.client, Run::new("open", seed, server.now_ms()))
                .await;
            assert_eq!(server.board.unverified(10).await.unwrap(), [id.as_str()]);
            let again = Again {
                forged,
                asked: Mutex::new(0),
            };
            let comparison = server.board.verify(&id, &again).await.unwrap();
            assert_eq!(
                (comparison.verdict, *again.asked.lock().unwrap()),
                (verdict, drawn_of_200())
            );
            assert_eq!(trust(&server, &id).await, (label.to_owned(), forged));
            let second = server.board.verify(&id, &again).await;
            assert!(
                matches!(second, Err(VerifyError::Done { .. })),
                "{second:?}"
            );
        }
        assert!(server.board.unverified(10).await.unwrap().is_empty());
        server.stop().await;
    });
}
