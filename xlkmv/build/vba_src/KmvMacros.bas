Attribute VB_Name = "KmvMacros"
Option Explicit

Private Const TITLE As String = "KMV"

' The Refresh button, the ribbon and the macro list all come here.
Public Sub KmvRefresh()
    KmvRun "Refresh"
End Sub

' The KMV view and 10,000 paths only.
Public Sub KmvQuickLook()
    KmvRun "Quick look"
End Sub

' What the deal could be for the targets on sheet Structure.
Public Sub KmvSolve()
    KmvRun "Solve"
End Sub

' Keep the workbook as it is as a case beside it.
Public Sub KmvSaveCase()
    KmvRun "Save case"
End Sub

' Hold the saved cases against this workbook.
Public Sub KmvCompare()
    KmvRun "Compare"
End Sub

' Two pages for a committee, as a file beside the workbook.
Public Sub KmvMemo()
    KmvRun "Memo"
End Sub

Private Sub KmvRun(ByVal what As String)
    Dim book As Workbook, server As Object, answer As Variant, first As Long, message As String
    Set book = ActiveWorkbook
    If book Is Nothing Then Exit Sub
    Set server = KmvReached()
    If server Is Nothing Then Exit Sub
    On Error GoTo Failed
    KmvWait True
    Select Case what
        Case "Memo"
            answer = server.Memo(book)
        Case "Solve"
            answer = server.Solve(book)
        Case "Save case"
            answer = server.SaveCase(book)
        Case "Compare"
            answer = server.Compare(book)
        Case Else
            answer = server.Refresh(book, what = "Quick look")
    End Select
    KmvWait False
    first = LBound(answer, 1)
    Select Case answer(first, LBound(answer, 2))
        Case "done"
            Application.StatusBar = answer(first, LBound(answer, 2) + 1)
            If what = "Memo" Then MsgBox answer(first, LBound(answer, 2) + 1), vbInformation, TITLE
        Case "wrong"
            If MsgBox(answer(first, LBound(answer, 2) + 1), vbExclamation + vbOKCancel, TITLE) = vbOK Then
                KmvListProblems answer
            End If
        Case Else
            MsgBox answer(first, LBound(answer, 2) + 1), vbExclamation, TITLE
    End Select
    Exit Sub
Failed:
    message = Err.Description
    KmvWait False
    KmvFailed KmvSaid(what), message
End Sub

' The server; Nothing, and a word about it, when Python does not answer.
Private Function KmvReached() As Object
    Set KmvReached = KmvAlive()
    If KmvReached Is Nothing Then
        MsgBox KmvSaid("Python does not answer, so nothing was changed.") & vbLf & vbLf & _
            KmvSaid("In a terminal (Start, then cmd):") & vbLf & "    xlkmv doctor --fix", vbExclamation, TITLE
    End If
End Function

' Python watches the Esc key; Excel's own break and its "waiting for another application" would interfere.
Private Sub KmvWait(ByVal waiting As Boolean)
    Application.EnableCancelKey = IIf(waiting, xlDisabled, xlInterrupt)
    Application.DisplayAlerts = Not waiting
    Application.Cursor = IIf(waiting, xlWait, xlDefault)
    Application.StatusBar = IIf(waiting, KmvSaid("KMV: computing ... (Esc cancels)"), False)
End Sub

' The wrong cells in a new workbook, each with a link.
Private Sub KmvListProblems(ByVal answer As Variant)
    Dim target As Worksheet
    answer(LBound(answer, 1), LBound(answer, 2)) = KmvSaid("Cell")
    answer(LBound(answer, 1), LBound(answer, 2) + 1) = KmvSaid("Holds")
    answer(LBound(answer, 1), LBound(answer, 2) + 2) = KmvSaid("Rule")
    Set target = Workbooks.Add(xlWBATWorksheet).Worksheets(1)
    target.Range("A1").Resize(UBound(answer, 1) - LBound(answer, 1) + 1, 3).Formula = answer
    target.Range("A1:C1").Font.Bold = True
    target.Columns("A:C").AutoFit
End Sub

' To the table of preset conditions.
Public Sub KmvScenario()
    On Error Resume Next
    ActiveWorkbook.Worksheets("Scenario").Activate
    If Err.Number <> 0 Then MsgBox KmvSaid("This workbook has no sheet Scenario: use New workbook."), vbInformation, TITLE
End Sub

' The loans of a tape into the pool of the workbook in front.
Public Sub KmvImport()
    Dim book As Workbook, server As Object, path As Variant, answer As Variant, message As String
    Set book = ActiveWorkbook
    If book Is Nothing Then Exit Sub
    path = Application.GetOpenFilename("Loan tapes (*.csv;*.tsv;*.txt;*.xlsx;*.xlsm;*.parquet),*.csv;*.tsv;*.txt;*.xlsx;*.xlsm;*.parquet", , "Loan tape")
    If VarType(path) = vbBoolean Then Exit Sub
    Set server = KmvReached()
    If server Is Nothing Then Exit Sub
    On Error GoTo Failed
    KmvWait True
    answer = server.Import(book, CStr(path))
    KmvWait False
    MsgBox answer(LBound(answer, 1), LBound(answer, 2) + 1), _
        IIf(answer(LBound(answer, 1), LBound(answer, 2)) = "done", vbInformation, vbExclamation), TITLE
    Exit Sub
Failed:
    message = Err.Description
    KmvWait False
    KmvFailed KmvSaid("Import tape"), message
End Sub

Private Sub KmvFailed(ByVal what As String, ByVal message As String)
    MsgBox what & KmvSaid(" did not finish: ") & message & vbLf & vbLf & KmvSaid("xlkmv doctor says more."), _
        vbExclamation, TITLE
End Sub

' A new workbook from the template that `xlkmv install` has left beside its log.
Public Sub KmvNewWorkbook()
    Dim server As Object
    Set server = KmvReached()
    If server Is Nothing Then Exit Sub
    On Error GoTo Failed
    Workbooks.Add Template:=server.Template()
    Exit Sub
Failed:
    MsgBox KmvSaid("There is no template. In a terminal: xlkmv install"), vbExclamation, TITLE
End Sub

Public Sub KmvCheck()
    Dim server As Object
    Set server = KmvReached()
    If Not server Is Nothing Then MsgBox server.Check(KMV_BUILD), vbInformation, TITLE
End Sub

' Every function with its arguments, from the sheet that as-you-type help reads; needs no Python.
Public Sub KmvHelp()
    Dim source As Range, target As Worksheet
    Set source = ThisWorkbook.Worksheets("_IntelliSense_").UsedRange
    Set target = Workbooks.Add(xlWBATWorksheet).Worksheets(1)
    target.Range("A1").Resize(source.Rows.Count, source.Columns.Count).Value2 = source.Value2
    target.Columns("A:B").AutoFit
End Sub

Public Sub KmvOnRefresh(ByVal control As Object)
    KmvRefresh
End Sub

Public Sub KmvOnQuickLook(ByVal control As Object)
    KmvQuickLook
End Sub

Public Sub KmvOnSolve(ByVal control As Object)
    KmvSolve
End Sub

Public Sub KmvOnSaveCase(ByVal control As Object)
    KmvSaveCase
End Sub

Public Sub KmvOnCompare(ByVal control As Object)
    KmvCompare
End Sub

Public Sub KmvOnMemo(ByVal control As Object)
    KmvMemo
End Sub

Public Sub KmvOnScenario(ByVal control As Object)
    KmvScenario
End Sub

Public Sub KmvOnNewWorkbook(ByVal control As Object)
    KmvNewWorkbook
End Sub

Public Sub KmvOnImport(ByVal control As Object)
    KmvImport
End Sub

Public Sub KmvOnCheck(ByVal control As Object)
    KmvCheck
End Sub

Public Sub KmvOnHelp(ByVal control As Object)
    KmvHelp
End Sub

' The template hides its tab where the add-in shows the same one.
Public Sub KmvTabVisible(ByVal control As Object, ByRef visible As Variant)
    Dim addin As Workbook
    On Error Resume Next
    Set addin = Workbooks("KMV.xlam")
    visible = addin Is Nothing
End Sub
