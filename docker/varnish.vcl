# Varnish in front of the site, as docs/deploying/cdn.md explains. It needs vmod_xkey, which Debian has in varnish-modules.
# The site needs IMAGES_CACHE_TAGS = "varnish" and IMAGES_CDN = {"cdn": "varnish", "urls": ["http://varnish/"]}.
vcl 4.1;

import xkey;

backend default {
    .host = "nginx";
    .port = "80";
}

# Only the site may purge: the hosts of this network.
acl purgers {
    "localhost";
    "10.0.0.0"/8;
    "172.16.0.0"/12;
    "192.168.0.0"/16;
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Forbidden"));
        }
        if (req.http.xkey-purge) {
            return (synth(200, "Purged " + xkey.purge(req.http.xkey-purge)));
        }
        if (req.http.xkey-softpurge) {
            return (synth(200, "Expired " + xkey.softpurge(req.http.xkey-softpurge)));
        }
        return (synth(400, "Name tags in xkey-purge or xkey-softpurge"));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/imgsizer/") {
        # Browsers write Accept in many ways. It matters with f=auto only, and there, only these formats do. So an image
        # has one variant, or three.
        if (req.url !~ "[?&]f=auto(&|$)") {
            unset req.http.Accept;
        } elsif (req.http.Accept ~ "image/avif") {
            set req.http.Accept = "image/avif,image/webp";
        } elsif (req.http.Accept ~ "image/webp") {
            set req.http.Accept = "image/webp";
        } else {
            unset req.http.Accept;
        }
        # Also with a cookie. The site says which images are the same for everybody: Varnish does not keep private ones.
        return (hash);
    }
}

sub vcl_backend_response {
    # An image that has expired, or was purged softly, is sent while it is fetched again, and for an hour if the site is
    # down.
    if (bereq.url ~ "^/imgsizer/" && beresp.status == 200 && beresp.ttl > 0s) {
        set beresp.grace = 1h;
    }
}

sub vcl_deliver {
    # Visitors need no tags.
    unset resp.http.xkey;
}
