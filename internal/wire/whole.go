package wire

// maxWhole bounds the text that [Route.Whole] gathers, in bytes.
const maxWhole = 4 << 20

// Whole is all that a model reads of a request.
type Whole struct {
	// Pieces are the texts of it, each of which is turned into tokens by itself. Tools are
	// told as they are written.
	Pieces []string
	// IDs counts the tokens that came as ids.
	IDs int
	// Messages counts the messages of a chat, and Names those among them that have a name.
	Messages, Names int
}

// Whole returns all that a model reads of a request: messages of every role, the system's
// text, tools, and prompts and inputs. Pictures, sound and files are left out, and what only
// steers the server. ok is false when it is too much to be gathered. The body should have
// passed [Route.Peek]; of one that has not, parts may be missed.
func (r *Route) Whole(body []byte) (w Whole, ok bool) {
	g := gathering{route: r}
	g.object("", r.options, body)
	return g.Whole, g.size <= maxWhole
}

// gathering is one reading of a request.
type gathering struct {
	Whole

	route *Route
	size  int
}

func (g *gathering) add(text string) {
	if g.size += len(text); text != "" && g.size <= maxWhole {
		g.Pieces = append(g.Pieces, text)
	}
}

// object gathers from the object at the path.
func (g *gathering) object(path string, options map[string]Option, object []byte) {
	eachMember(object, func(name string, value []byte) {
		option, known := options[name]
		switch {
		case !known || string(value) == "null":
		case option == OptionGroup:
			g.object(path+name+".", g.route.groups[path+name], value)
		case option == OptionText && g.route.texts[path+name] == textMessages:
			items(value, g.message)
		case option == OptionText:
			g.any(value, g.route.texts[path+name] == textList, 0)
		case option == OptionSystem:
			g.any(value, false, 0)
		case option == OptionTools:
			g.add(string(value))
		}
	})
}

func (g *gathering) message(message []byte) {
	g.Messages++
	eachMember(message, func(name string, value []byte) {
		switch name {
		case "role":
			g.any(value, false, 0)
			return
		case "name":
			g.Names++
		}
		g.field(name, value, 0)
	})
}

// any gathers the strings of a value, and counts numbers as ids if they are.
func (g *gathering) any(value []byte, ids bool, depth int) {
	if len(value) == 0 || depth > maxDepth {
		return
	}
	switch value[0] {
	case '"':
		text, _ := plain(value)
		g.add(text)
	case '[':
		items(value, func(item []byte) { g.any(item, ids, depth+1) })
	case '{':
		eachMember(value, func(name string, inner []byte) { g.field(name, inner, depth+1) })
	case 'n', 't', 'f':
	default:
		if ids {
			g.IDs++
		}
	}
}

// field gathers from a member of a message or of a part of it: what [Route.Peek] measures.
func (g *gathering) field(name string, value []byte, depth int) {
	switch name {
	case "image_url", "input_audio", "file", "image", "audio", "video_url", "type", "role", "signature", "data", "cache_control":
		return
	case "source":
		switch kind, _ := plain(valueOf(value, "type")); kind {
		case "text":
			g.any(valueOf(value, "data"), false, depth)
			return
		case "base64", "url", "file":
			return
		}
	case "input":
		if len(value) > 0 && value[0] == '{' {
			g.add(string(value)) // what a tool was called with is read as it is written
			return
		}
	}
	g.any(value, false, depth)
}
