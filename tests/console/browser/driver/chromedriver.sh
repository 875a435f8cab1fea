# Runs chromedriver ($CHROMEDRIVER) for a test binary. Ends it together with every Chromium and their files when
# standard input is closed, which happens however the test binary ends.
files=$(mktemp -d)
TMPDIR=$files "$CHROMEDRIVER" --port=0 &
read -r port
read -r _
if ! { exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3; } 2>/dev/null
then
  kill $!
fi
wait
rm -rf "$files"
