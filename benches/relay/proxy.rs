//! The limit for any relay: one thread that copies bytes, a connection to the sink for each sender.

use std::{io, net::Ipv4Addr, process::ExitCode};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const READ_BYTES: usize = 256 * 1024;

/// Copies from one port to another until it is killed.
pub(crate) fn main(from: u16, to: u16) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a thread");
    let served = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, from)).await?;
        loop {
            let (sender, _) = listener.accept().await?;
            tokio::spawn(copy(sender, to));
        }
    });
    let error: io::Error = match served {
        Ok(never) => never,
        Err(error) => error,
    };
    eprintln!("the proxy ends: {error}");
    ExitCode::FAILURE
}

async fn copy(mut sender: TcpStream, to: u16) -> io::Result<()> {
    let mut sink = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    sink.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match sender.read(&mut buffer).await? {
            0 => return Ok(()),
            count => sink.write_all(&buffer[..count]).await?,
        }
    }
}
