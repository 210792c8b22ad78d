//! What each failure above TCP means: forward proxies, TLS, HTTP, banners, expectations and our
//! own trouble. The other half of the table in `failures.rs`.

use super::failures::FailureText;
use crate::cause::Cause as C;
use crate::failure::Failure as F;

const PROXY_CAUSES: &[C] = &[C::ClientProxy];
const CERTIFICATE_CAUSES: &[C] = &[C::TlsCertificate, C::ClientClock, C::DnsStale, C::ClientProxy];
const TRUST_CAUSES: &[C] = &[C::TlsCertificate, C::ClientProxy, C::DnsStale];
const CLOSE_CAUSES: &[C] = &[
    C::ServiceClosesConnections,
    C::UpstreamDead,
    C::ServiceOverloaded,
    C::ServiceWrongProtocol,
    C::FirewallRejects,
    C::PathRejects,
];

/// Proxies and TLS.
pub(super) const UPPER: &[FailureText] = &[
    FailureText {
        failure: F::ProxyUnresolved,
        title: "The proxy's name does not resolve",
        predicate: "was not contacted: the configured proxy's name does not resolve",
        explanation: "This machine is told to use a forward proxy whose name DNS does not know. \
            The target was never contacted.",
        timing: "At once, or as long as the resolver takes.",
        look_alikes: &[(
            F::DnsNotFound,
            "there it is the target's own name that is unknown. Only curl (exit 5 instead of 6) \
                and Firefox tell the two apart.",
        )],
        causes: PROXY_CAUSES,
    },
    FailureText {
        failure: F::ProxyRefused,
        title: "The proxy refuses connections",
        predicate: "was not contacted: the configured proxy refuses connections",
        explanation: "This machine is told to use a forward proxy, and nothing listens at the \
            proxy's port. The target was never contacted.",
        timing: "One round trip to the proxy.",
        look_alikes: &[(
            F::TcpRefused,
            "there the target refuses. curl's exit 7 and Python's ConnectionRefusedError are the \
                same for both: look whose host and port the message names.",
        )],
        causes: PROXY_CAUSES,
    },
    FailureText {
        failure: F::ProxyUnreachable,
        title: "The proxy cannot be reached",
        predicate: "was not contacted: the configured proxy cannot be reached",
        explanation: "This machine is told to use a forward proxy, and there is no way to it or \
            its machine is down. The target was never contacted.",
        timing: "At once, or about 3 s.",
        look_alikes: &[(
            F::TcpHostUnreachable,
            "there the target is unreachable; the words are the same in most clients.",
        )],
        causes: &[C::ClientProxy, C::ClientVpn, C::ClientOffline],
    },
    FailureText {
        failure: F::ProxyTimedOut,
        title: "The proxy does not answer",
        predicate: "was not contacted: the configured proxy does not answer",
        explanation: "This machine is told to use a forward proxy, and the proxy is silent. The \
            target was never contacted, although several browsers blame it.",
        timing: "Chromium gives a proxy 8 s; curl waits 134 s, Firefox 91 s.",
        look_alikes: &[(
            F::TcpTimedOut,
            "there the target is silent. Firefox names the target in both cases, Chromium just \
                says ERR_TIMED_OUT.",
        )],
        causes: &[C::ClientProxy, C::ClientVpn, C::ClientOffline],
    },
    FailureText {
        failure: F::ProxyClosed,
        title: "The proxy closed the connection",
        predicate: "was not reached: the configured proxy closes the connection",
        explanation: "The forward proxy accepted the connection and closed it without an answer.",
        timing: "Right after the request.",
        look_alikes: &[(
            F::HttpEmptyReply,
            "there it is the target that closes. Only curl names the proxy (\"Proxy CONNECT \
                aborted\").",
        )],
        causes: PROXY_CAUSES,
    },
    FailureText {
        failure: F::ProxyAuthRequired,
        title: "The proxy wants a user name and password",
        predicate: "was not reached: the configured proxy asks for credentials (407)",
        explanation: "The forward proxy answered 407: it forwards only for users it knows, and \
            got no or wrong credentials.",
        timing: "One round trip to the proxy.",
        look_alikes: &[(F::HttpStatus, "401 comes from the target, 407 from the proxy.")],
        causes: PROXY_CAUSES,
    },
    FailureText {
        failure: F::ProxyTunnelFailed,
        title: "The proxy could not open the tunnel",
        predicate: "was not reached: the configured proxy does not open a tunnel to it",
        explanation: "The forward proxy answered CONNECT with an error: its rules forbid the \
            target, or it could not reach the target itself.",
        timing: "One round trip when forbidden; longer when the proxy tried in vain.",
        look_alikes: &[(
            F::HttpStatus,
            "a 502 or 403 page of the target's own reverse proxy looks alike, but comes through \
                an open connection.",
        )],
        causes: &[C::ClientProxy, C::ServiceNotListening, C::FirewallDrops],
    },
    FailureText {
        failure: F::TlsExpired,
        title: "The certificate has expired",
        predicate: "presents an expired certificate",
        explanation: "The server's certificate was valid once and its last day has passed. \
            Renewal failed, or the renewed file was never loaded.",
        timing: "Right after connecting.",
        look_alikes: &[
            (
                F::TlsNotYetValid,
                "the same page in Chrome (ERR_CERT_DATE_INVALID), but the validity has not begun.",
            ),
            (
                F::TlsUnknownIssuer,
                "an expired intermediate or root shows as an untrusted issuer in some clients.",
            ),
        ],
        causes: CERTIFICATE_CAUSES,
    },
    FailureText {
        failure: F::TlsNotYetValid,
        title: "The certificate is not valid yet",
        predicate: "presents a certificate that is not valid yet",
        explanation: "The certificate's first day lies in the future. Far more often than a \
            too-early certificate it is the visitor's clock that is behind.",
        timing: "Right after connecting.",
        look_alikes: &[(F::TlsExpired, "the same page in Chrome, but the last day has passed.")],
        causes: &[C::ClientClock, C::TlsCertificate],
    },
    FailureText {
        failure: F::TlsSelfSigned,
        title: "The certificate is self-signed",
        predicate: "presents a self-signed certificate",
        explanation: "The certificate vouches for itself; no authority that clients trust has \
            signed it. Often it is a device's or a distribution's default certificate.",
        timing: "Right after connecting.",
        look_alikes: &[
            (
                F::TlsUnknownIssuer,
                "there an authority signed it, but one that clients do not know. OpenSSL says \
                    \"self-signed certificate in certificate chain\" for that case.",
            ),
            (
                F::TlsIncompleteChain,
                "there a trusted authority signed it, but the server withholds the link between.",
            ),
        ],
        causes: TRUST_CAUSES,
    },
    FailureText {
        failure: F::TlsUnknownIssuer,
        title: "The certificate's issuer is not trusted",
        predicate: "presents a certificate from an unknown issuer",
        explanation: "The chain ends at an authority that is not in the client's list: a \
            company's own, a test one, or an inspecting proxy or antivirus in between.",
        timing: "Right after connecting.",
        look_alikes: &[
            (
                F::TlsIncompleteChain,
                "there the root is trusted, but the intermediate is missing; browsers often \
                    repair that, curl and programs do not.",
            ),
            (F::TlsSelfSigned, "there the certificate signed itself."),
        ],
        causes: TRUST_CAUSES,
    },
    FailureText {
        failure: F::TlsIncompleteChain,
        title: "The intermediate certificate is missing",
        predicate: "does not send its intermediate certificate",
        explanation: "The server sends its own certificate without the intermediate that links it \
            to a trusted root. Browsers may have the link cached, programs do not: it works for \
            some and not for others.",
        timing: "Right after connecting.",
        look_alikes: &[(
            F::TlsUnknownIssuer,
            "there the root itself is unknown; sending more certificates does not help.",
        )],
        causes: &[C::TlsCertificate],
    },
    FailureText {
        failure: F::TlsWrongName,
        title: "The certificate is for another name",
        predicate: "presents a certificate for another name",
        explanation: "The certificate does not list the name that was asked for. Often the \
            request reached the default site of the server, the wrong server, or the www form is \
            missing.",
        timing: "Right after connecting.",
        look_alikes: &[(
            F::TlsAlert,
            "a server that knows no such name may refuse with alert 112 instead of showing the \
                wrong certificate.",
        )],
        causes: &[C::TlsCertificate, C::DnsStale, C::ClientHostsFile, C::ClientProxy],
    },
    FailureText {
        failure: F::TlsProtocolVersion,
        title: "No TLS version in common",
        predicate: "offers no TLS version that current clients accept",
        explanation: "Server and client share no protocol version: typically the server only \
            offers TLS 1.0 or 1.1, which current clients refuse.",
        timing: "Right after connecting.",
        look_alikes: &[(
            F::TlsNoCommonCipher,
            "there the version fits and the ciphers do not. Chrome shows \
                ERR_SSL_VERSION_OR_CIPHER_MISMATCH for both; OpenSSL 3 blames \"legacy sigalg\".",
        )],
        causes: &[C::TlsConfiguration],
    },
    FailureText {
        failure: F::TlsNoCommonCipher,
        title: "No cipher in common",
        predicate: "shares no cipher with current clients",
        explanation: "The server refused the handshake (alert 40): none of the client's cipher \
            suites, groups or signature types suits it. A missing certificate for the name, or a \
            demanded client certificate, can look the same.",
        timing: "Right after connecting.",
        look_alikes: &[
            (F::TlsProtocolVersion, "there the version itself does not fit."),
            (
                F::TlsClientCertificateRequired,
                "with TLS 1.2 a missing client certificate is reported by the same alert 40.",
            ),
        ],
        causes: &[C::TlsConfiguration],
    },
    FailureText {
        failure: F::TlsClientCertificateRequired,
        title: "The server wants a client certificate",
        predicate: "asks for a client certificate",
        explanation: "The server admits only clients that present a certificate of their own. The \
            server works; this visitor has no, or the wrong, certificate.",
        timing: "During the handshake; with TLS 1.3 only after it, with the first read.",
        look_alikes: &[
            (F::TlsNoCommonCipher, "the same alert 40 with TLS 1.2."),
            (
                F::HttpEmptyReply,
                "programs that hide the TLS 1.3 alert just report a closed connection.",
            ),
        ],
        causes: &[C::TlsClientCertificate],
    },
    FailureText {
        failure: F::TlsAlert,
        title: "The server ended the handshake with an alert",
        predicate: "ends the TLS handshake with an alert",
        explanation: "The server understood TLS and refused with an alert, for example 112: it \
            knows no site of that name, or 80: internal error.",
        timing: "Right after connecting.",
        look_alikes: &[
            (F::TlsClosed, "there the connection ended without a word."),
            (
                F::TlsWrongName,
                "a server without that site may show another site's certificate instead.",
            ),
        ],
        causes: &[C::TlsConfiguration, C::TlsCertificate],
    },
    FailureText {
        failure: F::TlsNotTls,
        title: "The port does not speak TLS",
        predicate: "answers something that is not TLS",
        explanation: "TLS was asked and something else came back: plain HTTP, an SSH banner, a \
            mail greeting. The port is right for another protocol, or TLS is not switched on.",
        timing: "Right after connecting.",
        look_alikes: &[
            (F::HttpSpokenToTls, "the reverse: plain HTTP sent to a TLS port."),
            (
                F::TlsProtocolVersion,
                "\"wrong version number\" in OpenSSL's text is not about TLS versions: it is this \
                    failure.",
            ),
        ],
        causes: &[
            C::ServiceWrongProtocol,
            C::TlsConfiguration,
            C::ClientProxy,
            C::ServiceWrongPort,
        ],
    },
    FailureText {
        failure: F::TlsClosed,
        title: "Connection closed during the TLS handshake",
        predicate: "closes the connection during the TLS handshake",
        explanation: "The connection was closed politely (FIN) while TLS was being set up: a \
            service without TLS, a balancer without a backend, or a filter that dislikes the name.",
        timing: "Right after connecting; about 3 s later when a balancer first tries its backend.",
        look_alikes: &[
            (F::TlsReset, "the same with a hard cut (RST)."),
            (F::TlsAlert, "there the server at least said why."),
        ],
        causes: &[
            C::ServiceClosesConnections,
            C::UpstreamDead,
            C::ServiceWrongProtocol,
            C::TlsConfiguration,
            C::PathRejects,
        ],
    },
    FailureText {
        failure: F::TlsReset,
        title: "Connection reset during the TLS handshake",
        predicate: "resets the connection during the TLS handshake",
        explanation: "The connection was cut (RST) while TLS was being set up. The service \
            crashed or refused, or a filter on the way reads the server name and cuts.",
        timing: "Right after connecting.",
        look_alikes: &[
            (F::TlsClosed, "the same with a polite close."),
            (F::TcpRefused, "there not even the TCP connection opened."),
        ],
        causes: &[
            C::ServiceClosesConnections,
            C::UpstreamDead,
            C::PathRejects,
            C::FirewallRejects,
            C::ServiceWrongProtocol,
        ],
    },
    FailureText {
        failure: F::TlsTimedOut,
        title: "The TLS handshake is not answered",
        predicate: "accepts connections but does not answer the TLS handshake",
        explanation: "TCP opened, then nothing: the program hangs, speaks another protocol and \
            waits, or large handshake packets are lost on the way (path MTU).",
        timing: "Chromium gives up at 30 s, curl at 300 s, Firefox waits more than 340 s.",
        look_alikes: &[
            (F::TcpTimedOut, "there not even TCP opened. curl shows exit 28 for both."),
            (F::HttpTimedOut, "there TLS worked and the answer is missing."),
        ],
        causes: &[
            C::ServiceHung,
            C::PathMtu,
            C::PathLargeHello,
            C::ServiceWrongProtocol,
            C::ServiceOverloaded,
            C::UpstreamDead,
        ],
    },
    FailureText {
        failure: F::HttpEmptyReply,
        title: "Empty reply",
        predicate: "closes the connection without an answer",
        explanation: "The connection opened, the request was sent, and the server closed it (FIN) \
            without a single byte: a crash while answering, a balancer without a backend, or the \
            wrong protocol.",
        timing: "At once; about 3 s later when a balancer first tries its backend.",
        look_alikes: &[
            (
                F::HttpReset,
                "a hard cut instead of a polite close; which one it is can be chance. Firefox \
                    says \"reset\" for both.",
            ),
            (F::TcpRefused, "there the connection never opened."),
            (F::HttpTimedOut, "there the connection stays open and silent."),
        ],
        causes: CLOSE_CAUSES,
    },
    FailureText {
        failure: F::HttpReset,
        title: "Connection reset while answering",
        predicate: "cuts the connection instead of answering",
        explanation: "The connection opened and was cut (RST) before or during the answer: the \
            program crashed or closed with unread data, or a device on the way cut it.",
        timing: "At once, or in the middle of the answer.",
        look_alikes: &[
            (F::HttpEmptyReply, "a polite close instead of a cut."),
            (F::TcpRefused, "there the connection never opened."),
            (F::HttpSpokenToTls, "some TLS servers reset plain HTTP requests."),
        ],
        causes: CLOSE_CAUSES,
    },
    FailureText {
        failure: F::HttpClosedEarly,
        title: "The answer ends too early",
        predicate: "closes the connection in the middle of the answer",
        explanation: "The server promised more bytes than it sent and closed. Firefox shows the \
            truncated page without any error.",
        timing: "In the middle of the answer.",
        look_alikes: &[
            (F::HttpReset, "there the answer was cut by a reset."),
            (F::HttpTimedOut, "there the rest is never sent, but the connection stays open."),
        ],
        causes: &[C::ServiceClosesConnections, C::UpstreamDead, C::AppError, C::ServiceOverloaded],
    },
    FailureText {
        failure: F::HttpNotHttp,
        title: "The answer is not HTTP",
        predicate: "answers something that is not HTTP",
        explanation: "Something answered, but not HTTP: an SSH or mail banner, a database, raw \
            text. The port belongs to another service.",
        timing: "At once.",
        look_alikes: &[
            (F::TlsNotTls, "the same discovered by a TLS client."),
            (F::HttpEmptyReply, "a service that dislikes HTTP may just close."),
        ],
        causes: &[C::ServiceWrongProtocol, C::ServiceWrongPort, C::AppError],
    },
    FailureText {
        failure: F::HttpTimedOut,
        title: "No answer from the application",
        predicate: "accepts connections but does not answer",
        explanation: "The connection opened and the request was sent, but no complete answer came \
            in time. The kernel accepts connections even for a program that hangs, so \"the port \
            is open\" proves nothing.",
        timing: "As long as the client is patient: browsers and curl wait minutes or for ever, \
            Node's fetch 300 s.",
        look_alikes: &[
            (F::TcpTimedOut, "there not even the connection opened."),
            (
                F::HttpStatus,
                "504 is the same fault one step further back, reported by a reverse proxy.",
            ),
            (F::AssertionLatency, "there the answer did come, only too late."),
        ],
        causes: &[C::ServiceHung, C::ServiceOverloaded, C::UpstreamDead, C::PathMtu, C::AppError],
    },
    FailureText {
        failure: F::HttpStatus,
        title: "The server answers with an error status",
        predicate: "answers with an error status",
        explanation: "The whole way works and the server answers, but with an error: 5xx means it \
            failed (502, 503 and 504: the part behind the reverse proxy failed), 4xx that it \
            rejects the request.",
        timing: "As fast as the application; 504 after the reverse proxy's own timeout.",
        look_alikes: &[
            (F::HttpEmptyReply, "there no status came at all."),
            (F::AssertionStatus, "there the status is fine by itself, but not the expected one."),
        ],
        causes: &[C::AppError, C::UpstreamDead, C::ServiceOverloaded],
    },
    FailureText {
        failure: F::HttpTooManyRedirects,
        title: "Too many redirects",
        predicate: "redirects in circles",
        explanation: "Each answer points to another address, and following them never ends. \
            Typical: the site redirects to https, and the proxy in front speaks http to it; or \
            www and non-www point at each other.",
        timing: "After 20 quick answers in browsers, 10 in Python, 50 in curl -L.",
        look_alikes: &[(F::HttpStatus, "a single 3xx is an answer, not a fault.")],
        causes: &[C::AppError],
    },
    FailureText {
        failure: F::HttpSpokenToTls,
        title: "Plain HTTP was sent to a TLS port",
        predicate: "expects https:// on this port",
        explanation: "The port speaks TLS, and the request was not encrypted. nginx answers 400 \
            \"The plain HTTP request was sent to HTTPS port\", others cut the connection.",
        timing: "At once.",
        look_alikes: &[
            (F::TlsNotTls, "the reverse: TLS asked of a plain port."),
            (F::HttpReset, "servers that do not explain just reset."),
        ],
        causes: &[C::ServiceWrongProtocol, C::ServiceWrongPort],
    },
    FailureText {
        failure: F::BannerUnexpected,
        title: "Another service answers",
        predicate: "is answered by another service than expected",
        explanation: "The first words on the connection are not those of the expected protocol. \
            Another service has the port, or the service greets with an error.",
        timing: "At once.",
        look_alikes: &[(F::HttpNotHttp, "the same, for web targets.")],
        causes: &[C::ServiceWrongProtocol, C::ServiceWrongPort, C::AppError],
    },
    FailureText {
        failure: F::AssertionStatus,
        title: "The status is not the expected one",
        predicate: "answers with another status than expected",
        explanation: "The answer is healthy HTTP, but its status is outside the range that this \
            monitor expects.",
        timing: "-",
        look_alikes: &[(F::HttpStatus, "an error status as such.")],
        causes: &[C::AppError],
    },
    FailureText {
        failure: F::AssertionKeyword,
        title: "A text is missing or unwanted",
        predicate: "answers without the expected text",
        explanation: "The page came, but an expected text is missing, or one is present that must \
            not be there: often an error page sent with status 200.",
        timing: "-",
        look_alikes: &[(F::AssertionJson, "the same for a value in JSON.")],
        causes: &[C::AppError],
    },
    FailureText {
        failure: F::AssertionJson,
        title: "A JSON value is not as expected",
        predicate: "answers with another JSON value than expected",
        explanation: "The answer came, but the value at the given path is missing or different, \
            or the body is not JSON.",
        timing: "-",
        look_alikes: &[(F::AssertionKeyword, "the same for plain text.")],
        causes: &[C::AppError],
    },
    FailureText {
        failure: F::AssertionLatency,
        title: "The answer came too late",
        predicate: "answers more slowly than allowed",
        explanation: "The answer was right and complete, but took longer than this monitor allows.",
        timing: "-",
        look_alikes: &[(F::HttpTimedOut, "there no answer came at all.")],
        causes: &[C::ServiceOverloaded, C::AppError],
    },
    FailureText {
        failure: F::AssertionCertificateDays,
        title: "The certificate expires soon",
        predicate: "presents a certificate that expires soon",
        explanation: "Everything works today, but the certificate's last day is nearer than this \
            monitor allows.",
        timing: "-",
        look_alikes: &[(F::TlsExpired, "that is what follows when nobody renews.")],
        causes: &[C::TlsCertificate],
    },
    FailureText {
        failure: F::SelfOffline,
        title: "The checking machine is offline",
        predicate: "could not be checked: this machine is offline",
        explanation: "The machine that checks has no working network at all. Nothing is known \
            about the target.",
        timing: "-",
        look_alikes: &[(
            F::TcpNetworkUnreachable,
            "there only this target's network is out of reach.",
        )],
        causes: &[C::ClientOffline],
    },
    FailureText {
        failure: F::SelfResources,
        title: "The checking machine ran out of resources",
        predicate: "could not be checked by this machine",
        explanation: "The machine that checks has no file descriptors or memory left (EMFILE, \
            ENFILE, ENOMEM, ENOBUFS), or it let the check rest until its time was over: it was \
            suspended, swaps, or its processor is busy with other things. Nothing is known about \
            the target.",
        timing: "-",
        look_alikes: &[(F::TcpNoLocalAddress, "there the local ports ran out.")],
        causes: &[C::ClientExhausted],
    },
    FailureText {
        failure: F::SelfNotAllowed,
        title: "The checking place may not go there",
        predicate: "was not checked: this place is held to other destinations",
        explanation: "Whoever started this probe allows it certain destinations only (`whydown \
            probe --allow`), and this is none of them. Not one packet was sent to it, and nothing \
            is known about it from here. Checks of names (dns://) need the name itself among what \
            is allowed.",
        timing: "At once; after the lookup for a name whose addresses have to be known first.",
        look_alikes: &[(
            F::TcpNotPermitted,
            "there the connection was tried, and a rule of the system forbade it.",
        )],
        causes: &[C::Unknown],
    },
    FailureText {
        failure: F::SelfInternal,
        title: "whydown itself failed",
        predicate: "could not be checked: whydown failed",
        explanation: "A defect in whydown ended the check. Nothing is known about the target; \
            please report it.",
        timing: "-",
        look_alikes: &[],
        causes: &[C::Unknown],
    },
];
