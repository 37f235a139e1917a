//! A server that gives the answers of a cloud's store. It runs until the process of the test ends.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use std::sync::{Arc, Mutex};

pub(super) struct Cloud {
    address: String,
    answers: Answers,
}

type Answers = Arc<Mutex<Vec<(u16, String)>>>;

impl Cloud {
    /// Starts the server on a free port, on the runtime of the test.
    pub(super) fn start() -> Self {
        let answers = Answers::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a listener for tokio");
        let address = listener.local_addr().expect("its address").to_string();
        let given = answers.clone();
        let answer = async move |Path((number, _)): Path<(usize, String)>| {
            let (status, body) = given.lock().expect("no panic")[number].clone();
            let status = StatusCode::from_u16(status).expect("a status");
            (status, body)
        };
        let app = Router::new().route("/{number}/{*rest}", axum::routing::any(answer));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, answers }
    }

    /// An endpoint where every request gets this answer.
    pub(super) fn answering(&self, status: u16, body: &str) -> String {
        let mut answers = self.answers.lock().expect("no panic");
        answers.push((status, body.to_owned()));
        format!("http://{}/{}", self.address, answers.len() - 1)
    }
}
