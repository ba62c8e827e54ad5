-- What wrk sends: a POST with 16 bytes, which come back.
wrk.method = "POST"
wrk.body = "sixteen bytes..."
