//! Signs that the decoders find of content made to exhaust memory. Exploding XML entities are found with external ones.

stamps! {
    DataBomb {
        COMPRESSION_BOMB 30002 "compression-bomb" 100
            "A little compressed content unpacks to so much that it exhausts memory or time.";
    }
}
