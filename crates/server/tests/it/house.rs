//! `serve` as a whole: it listens, says where, and stops when told.

use std::net::SocketAddr;

use tokio::sync::oneshot;
use whydown_server::serve::{Ready, ServeOptions, serve};

use crate::support::scratch;

#[tokio::test]
async fn serve_says_where_it_listens_answers_and_stops_when_told() {
    let dir = scratch();
    let options = ServeOptions {
        config: None,
        data: Some(dir.path().to_owned()),
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
    };
    let (tell, told) = oneshot::channel::<Ready>();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(options, |ready| tell.send(ready).unwrap(), async {
        stopped.await.unwrap();
    }));
    let ready = told.await.unwrap();
    assert_ne!(ready.address.port(), 0);
    assert_eq!(ready.url, format!("http://{}", ready.address));
    let answer = tokio::task::spawn_blocking(move || {
        std::process::Command::new("curl").args(["-sS", &format!("{}/healthz", ready.url)]).output()
    });
    let answer = answer.await.unwrap().unwrap();
    assert!(answer.status.success(), "{answer:?}");
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_one_clear_error() {
    let dir = scratch();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let options =
        ServeOptions { config: None, data: Some(dir.path().to_owned()), listen: Some(address) };
    let error = serve(options, |_| {}, std::future::pending()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {address}: Address already in use")),
        "{text}"
    );
    assert!(text.contains("--listen"), "{text}");
}
