package sim

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// uploadLimit leaves room for what multipart puts around a file.
const uploadLimit = desk.MaxFile + 64<<10

// saveFile takes a file, in the field file of a form, and answers where it is.
func (s *Sim) saveFile(r *http.Request, body []byte) (any, error) {
	if r.Method != http.MethodPost {
		return nil, desk.Refuse(http.StatusMethodNotAllowed, "saveFile wants POST")
	}
	mt, p, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "multipart/form-data" || p["boundary"] == "" {
		return nil, desk.Refuse(http.StatusUnsupportedMediaType, "want multipart/form-data")
	}
	form := multipart.NewReader(bytes.NewReader(body), p["boundary"])
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, desk.Refuse(http.StatusBadRequest, "the form has no field file")
		case err != nil:
			return nil, desk.Refuse(http.StatusBadRequest, "form: %v", err)
		case part.FormName() != "file":
			continue
		case part.FileName() == "":
			return nil, desk.Refuse(http.StatusBadRequest, "the field file has no name of a file")
		}
		data, err := io.ReadAll(part)
		switch {
		case err != nil:
			return nil, desk.Refuse(http.StatusBadRequest, "form: %v", err)
		case len(data) == 0:
			return nil, desk.Refuse(http.StatusBadRequest, "the file is empty")
		case len(data) > desk.MaxFile:
			return nil, desk.Refuse(http.StatusRequestEntityTooLarge, "the file is larger than %d bytes", desk.MaxFile)
		}
		return map[string]string{"FilePath": s.AddFile(r, part.FileName(), data).URL}, nil
	}
}
