# Runs chromedriver ($CHROMEDRIVER) for a test program, and ends it together with every Chromium and their files
# when the other end of our standard input closes: that happens however a test program ends.
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
