package readback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"example.com/smilesig"
	"example.com/smilesig/internal/jsonobject"
)

// maxAnswer limits what is read of an answer.
const maxAnswer = 4 << 20

// originForm is https, or http to this machine. net/http sends LOCALHOST in capitals
// to a proxy, so they are refused. The Transport looks once more.
var originForm = regexp.MustCompile(`^((?i:https)://[^/?#@\s]+|(?i:http)://(localhost|127(\.(25[0-5]|(2[0-4]|1[0-9]|[1-9])?[0-9])){3}|\[::1\])(:[0-9]+)?)/?$`)

type answer struct {
	status  int
	body    []byte
	members jsonobject.Object
}

// ask sends one request and reads the answer. An answer with none of the wanted
// statuses is a RefusedError. It uses the Transport itself and no http.Client, so
// that no redirect is followed.
func (r *Reader) ask(ctx context.Context, method, path string, question []byte, header http.Header, wanted ...int) (answer, error) {
	if r.Signer.PartnerID() == "" || !originForm.MatchString(r.Origin) {
		return answer{}, fmt.Errorf("readback: %w: a Reader needs a Signer, and an Origin that is https, or http to this machine", smilesig.ErrConfig)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.Origin, "/")+path, bytes.NewReader(question))
	if err != nil {
		return answer{}, fmt.Errorf("readback: %w: %w", smilesig.ErrConfig, err)
	}
	req.Header = header
	transport := &smilesig.Transport{Signer: r.Signer, Base: r.Base, Origins: []string{r.Origin}, ConfirmResponses: true, Now: r.Now}
	res, err := transport.RoundTrip(req)
	if err == nil && res == nil {
		err = errors.New("neither an answer nor an error came from Base")
	}
	if err != nil {
		return answer{}, failed(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1)); err != nil {
		return answer{}, failed(err)
	}
	a.members, err = jsonobject.Read(a.body)
	switch {
	case !slices.Contains(wanted, a.status), err != nil && a.status >= 400:
		return answer{}, a.refusal()
	case len(a.body) > maxAnswer:
		return answer{}, unreadable("it is longer than 4 MiB")
	case err != nil:
		return answer{}, unreadable(err.Error())
	}
	return a, nil
}

var codeForm = regexp.MustCompile(`^[0-9]{1,4}$`)

func (a answer) refusal() error {
	return &RefusedError{Status: a.status, Code: codeForm.FindString(a.members["code"].Word())}
}

func unreadable(why string) error { return errors.New("readback: the answer cannot be read: " + why) }

// A failure is a failed request. The text of its cause may quote the other side.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return "readback: " + f.text }
func (f *failure) Unwrap() error { return f.cause }

// An interruption is a failure where no whole answer came. It is a [net.Error].
type interruption struct{ failure }

func (i *interruption) Temporary() bool { return true }
func (i *interruption) Timeout() bool {
	network, ok := errors.AsType[net.Error](i.cause)
	return ok && network.Timeout()
}

// failed shows the text of causes that are known to quote nothing, and the type of
// any other.
func failed(cause error) error {
	switch {
	case errors.Is(cause, smilesig.ErrSignature):
		return &failure{smilesig.ErrSignature.Error(), cause}
	case smilesig.Reason(cause) != "other":
		return &failure{cause.Error(), cause}
	}
	text := fmt.Sprintf("%T", cause)
	if network, ok := errors.AsType[*net.OpError](cause); ok {
		text = network.Error()
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(cause, known) {
			text = known.Error()
		}
	}
	return &interruption{failure{text, cause}}
}
