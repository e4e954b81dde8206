//! R33: values at the edges of their types, and handles used as they should
//! not be. Each was a panic of some host once, or could be.
#![cfg(target_family = "wasm")]

use skillhost_sdk::http::Request;
use skillhost_sdk::prelude::*;
use wasip2::cli::stdin::get_stdin;
use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::monotonic_clock::{subscribe_duration, subscribe_instant};
use wasip2::clocks::wall_clock::Datetime;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags,
};
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::poll;

/// Opens and changes a file with flags, times and offsets that do not exist.
#[tool]
fn files() -> Result<Vec<String>> {
    let directories = get_directories();
    let Some((root, _)) = directories.first() else {
        return Err(Error::failed("There is no directory."));
    };
    let mut seen = Vec::new();
    for flags in [0xff, 0x80, 0x40] {
        let opened = root.open_at(
            PathFlags::from_bits_retain(flags),
            "file",
            OpenFlags::from_bits_retain(flags & 0xf0),
            DescriptorFlags::from_bits_retain(flags & 0xc0 | 1),
        );
        seen.push(format!("{:?}", opened.map(drop)));
    }
    let flags = (
        PathFlags::empty(),
        OpenFlags::empty(),
        DescriptorFlags::READ,
    );
    let file = root.open_at(flags.0, "file", flags.1, flags.2)?;
    seen.extend(edges(&file));
    Ok(seen)
}

fn edges(file: &Descriptor) -> [String; 6] {
    let time = NewTimestamp::Timestamp(Datetime {
        seconds: u64::MAX,
        nanoseconds: u32::MAX,
    });
    [
        format!("{:?}", file.set_times(time, time)),
        format!("{:?}", file.set_size(u64::MAX)),
        format!("{:?}", file.read(u64::MAX, 0).map(|(bytes, _)| bytes.len())),
        format!("{:?}", file.read(1, u64::MAX).map(|(bytes, _)| bytes.len())),
        format!("{:?}", file.write(b"x", u64::MAX)),
        format!("{:?}", file.advise(u64::MAX, u64::MAX, Advice::WillNeed)),
    ]
}

/// Waits for moments that never come, and for one that has passed.
#[tool]
fn moments() -> Result<Vec<u32>> {
    let never = [subscribe_duration(u64::MAX), subscribe_instant(u64::MAX)];
    let (now, past) = (subscribe_duration(0), subscribe_instant(0));
    Ok(poll::poll(&[&never[0], &now, &never[1], &past, &now]))
}

/// Waits for nothing.
#[tool]
fn nothing() -> Result<Vec<u32>> {
    Ok(poll::poll(&[]))
}

/// Reads and skips more than there is.
#[tool]
fn streams() -> Result<Vec<String>> {
    let (input, output) = (get_stdin(), get_stdout());
    Ok(vec![
        format!("{:?}", input.read(u64::MAX).map(|bytes| bytes.len())),
        format!("{:?}", input.skip(u64::MAX)),
        format!("{:?}", output.splice(&input, u64::MAX)),
        format!("{:?}", output.write_zeroes(10)),
    ])
}

/// Writes more zeros at once than there is memory for.
#[tool]
fn zeros(count: u64) -> Result<String> {
    Ok(format!("{:?}", get_stdout().write_zeroes(count)))
}

/// Sends a request with timeouts of nothing and of everything.
#[tool]
fn timeouts(nanos: u64) -> Result<String> {
    let options = RequestOptions::new();
    let set = [
        options.set_connect_timeout(Some(nanos)),
        options.set_first_byte_timeout(Some(nanos)),
        options.set_between_bytes_timeout(Some(nanos)),
    ];
    let request = OutgoingRequest::new(Fields::new());
    let named = [
        request.set_scheme(Some(&Scheme::Http)),
        request.set_authority(Some("public.test")),
    ];
    let sent = wasip2::http::outgoing_handler::handle(request, Some(options));
    let sent = sent.map(|response| {
        response.subscribe().block();
        response.get().map(|got| got.map(|got| got.map(drop)))
    });
    Ok(format!("{set:?} {named:?} {sent:?}"))
}

/// Drops a request, its body and its stream in the wrong order.
#[tool]
fn orphans() -> Result<String> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).ok();
    let body = request.body().map_err(|()| Error::failed("no body"))?;
    let stream = body.write().map_err(|()| Error::failed("no stream"))?;
    drop(request);
    let written = stream.blocking_write_and_flush(b"x");
    drop(stream);
    let finished = OutgoingBody::finish(body, None);
    Ok(format!("{written:?} {finished:?}"))
}

/// Drops a body while its stream is open.
#[tool]
fn parent_first() -> Result<String> {
    let request = OutgoingRequest::new(Fields::new());
    let body = request.body().map_err(|()| Error::failed("no body"))?;
    let stream = body.write().map_err(|()| Error::failed("no stream"))?;
    drop(body);
    Ok(format!("{:?}", stream.check_write()))
}

/// Makes one list of that many header fields.
#[tool]
fn fields(count: usize) -> Result<String> {
    let fields = vec![("a".to_owned(), Vec::new()); count];
    Ok(format!("{:?}", Fields::from_list(&fields).map(drop)))
}

/// Sends a request with that many headers.
#[tool]
fn headers(count: usize) -> Result<String> {
    let request = Request::get("http://public.test/");
    let request = (0..count).fold(request, |request, _| request.header("a", ""));
    Ok(format!(
        "{:?}",
        request.send().map(|response| response.status)
    ))
}

skillhost_sdk::export!(
    files,
    moments,
    nothing,
    streams,
    zeros,
    timeouts,
    orphans,
    parent_first,
    fields,
    headers,
);
